"""Targets that are compared: every function in the ways that its documentation shows, and as dashboards nest them."""

from __future__ import annotations

CPU, ONE, TWO, GAPS = "servers.*.cpu.user", "servers.web1.cpu.user", "servers.web2.cpu.user", "gaps.*.load"
FAST, COUNTER, MIXED = "fast.queue.*", "servers.*.requests", "{servers.web1.cpu.user,fast.queue.a}"


def targets() -> list[str]:
    return list(
        dict.fromkeys([*_PATHS, *_combining(), *_transforming(), *_windows(), *_filters(), *_names(), *_NESTED])
    )


_PATHS = [
    ONE,
    CPU,
    "servers.web?.cpu.user",
    "servers.web[1-3].cpu.system",
    "servers.web[!1].cpu.system",
    "servers.{web1,web3}.cpu.{user,system}",
    "*.web1.*.user",
    "servers.web{1,2,4}.requests",
    GAPS,
    FAST,
    "nothing.here.*",
    "group(servers.web1.cpu.user,fast.queue.a)",
    "template(servers.$host.cpu.user, host='web2')",
    "template(sumSeries(servers.$1.cpu.*), 'web3')",
]


def _combining() -> list[str]:
    found = []
    for name in [
        "sumSeries",
        "sum",
        "averageSeries",
        "avg",
        "minSeries",
        "maxSeries",
        "diffSeries",
        "multiplySeries",
        "countSeries",
        "rangeOfSeries",
        "stddevSeries",
        "powSeries",
    ]:
        pattern = CPU if name != "powSeries" else "servers.web[12].cpu.small"
        found += [f"{name}({pattern})", f"{name}({GAPS})" if name != "powSeries" else f"{name}({ONE})"]
    for function in [
        "sum",
        "average",
        "median",
        "min",
        "max",
        "diff",
        "stddev",
        "count",
        "range",
        "multiply",
        "last",
        "avg_zero",
        "current",
        "total",
    ]:
        found += [f"aggregate({CPU},'{function}')", f"aggregate({GAPS},'{function}')"]
    return [
        *found,
        f"sumSeries({ONE},{TWO},fast.queue.a)",
        f"averageSeries({ONE},fast.queue.*)",
        f"aggregate({GAPS},'sum',0.7)",
        f"aggregate({GAPS},'average',1)",
        "multiplySeries(servers.web1.cpu.user)",
        f"divideSeries({CPU},{ONE})",
        f"divideSeries({ONE},{GAPS.replace('*', 'a')})",
        f"divideSeries({ONE},fast.queue.a)",
        "divideSeries(servers.*.cpu.user,nothing.here)",
        "divideSeriesLists(servers.*.cpu.user,servers.*.cpu.system)",
        "sumSeriesLists(servers.*.cpu.user,servers.*.cpu.system)",
        "diffSeriesLists(servers.*.cpu.user,servers.*.cpu.system)",
        "multiplySeriesLists(servers.*.cpu.user,servers.*.cpu.system)",
        "aggregateSeriesLists(servers.*.cpu.user,servers.*.cpu.system,'max')",
        f"asPercent({CPU})",
        f"asPercent({CPU},1500)",
        f"asPercent({CPU},12.5)",
        f"asPercent({CPU},{ONE})",
        "asPercent(servers.*.cpu.user,servers.*.cpu.system)",
        "asPercent(servers.*.cpu.user,sumSeries(servers.*.cpu.*))",
        "asPercent(servers.*.cpu.*,None,1)",
        "asPercent(servers.*.cpu.user,servers.*.cpu.*,1)",
        "asPercent(servers.web1.cpu.*,servers.web[12].cpu.*,1)",
        f"asPercent({GAPS})",
        "pct(servers.web1.cpu.*)",
        f"percentileOfSeries({CPU},50)",
        f"percentileOfSeries({CPU},95)",
        f"percentileOfSeries({CPU},95,true)",
        f"percentileOfSeries({GAPS},25,true)",
        "weightedAverage(servers.*.cpu.user,servers.*.cpu.system,1)",
        "sumSeriesWithWildcards(servers.*.cpu.*,1)",
        "sumSeriesWithWildcards(servers.*.cpu.*,1,3)",
        "averageSeriesWithWildcards(servers.*.cpu.*,3)",
        "multiplySeriesWithWildcards(servers.web[12].cpu.*,3)",
        "aggregateWithWildcards(servers.*.cpu.*,'max',1)",
        "groupByNode(servers.*.cpu.*,1,'sum')",
        "groupByNode(servers.*.cpu.*,3,'sumSeries')",
        "groupByNode(servers.*.cpu.*,1)",
        "groupByNode(servers.*.cpu.*,-1,'max')",
        "groupByNodes(servers.*.cpu.*,'average',1,3)",
        "groupByNodes(servers.*.cpu.*,'median',3)",
        "groupByNode(scale(servers.*.cpu.*,2),1,'sum')",
        "applyByNode(servers.*.cpu.user,1,'sumSeries(%.cpu.*)')",
        "applyByNode(servers.*.cpu.user,1,'divideSeries(%.cpu.user,sumSeries(%.cpu.*))','%.share')",
        "isNonNull(gaps.*.load)",
        "countSeries(servers.*.cpu.*)",
    ]


def _transforming() -> list[str]:
    simple = [
        "absolute",
        "derivative",
        "nonNegativeDerivative",
        "perSecond",
        "integral",
        "invert",
        "squareRoot",
        "offsetToZero",
        "exp",
        "minMax",
        "round",
        "changed",
        "keepLastValue",
        "interpolate",
        "removeEmptySeries",
        "isNonNull",
        "transformNull",
        "sortByName",
        "cumulative",
        "sigmoid",
    ]
    found = []
    for name in simple:
        small = name in {"exp", "sigmoid"}
        found += [f"{name}({'servers.web1.cpu.small' if small else ONE})", f"{name}({GAPS})"]
    return [
        *found,
        f"scale({CPU},10)",
        f"scale({GAPS},0.125)",
        f"scale({ONE},-1e-3)",
        f"scaleToSeconds({CPU},1)",
        f"scaleToSeconds({ONE},3600)",
        f"offset({GAPS},-3.5)",
        f"add({ONE},7)",
        f"pow({ONE},2)",
        f"pow({GAPS},0.5)",
        f"log({ONE})",
        f"log({ONE},2)",
        f"log({GAPS},10)",
        "logit(servers.web1.cpu.share)",
        f"round({ONE},2)",
        f"round({ONE},-1)",
        f"perSecond({COUNTER})",
        f"nonNegativeDerivative({COUNTER})",
        f"nonNegativeDerivative({COUNTER},100000)",
        f"perSecond({COUNTER},100000,0)",
        f"derivative({COUNTER})",
        f"delay({ONE},3)",
        f"delay({GAPS},-2)",
        f"integralByInterval({ONE},'1h')",
        f"integralByInterval({GAPS},'30min')",
        f"keepLastValue({GAPS},2)",
        f"interpolate({GAPS},1)",
        f"transformNull({GAPS},-1)",
        f"transformNull({GAPS},5,{ONE})",
        f"transformNull({GAPS},5,referenceSeries=gaps.a.load)",
        f"summarize({ONE},'5min')",
        f"summarize({ONE},'10min','avg')",
        f"summarize({GAPS},'15min','max')",
        f"summarize({ONE},'1h','sum',true)",
        f"summarize({ONE},'7min','last',true)",
        f"summarize({ONE},'7min','median')",
        f"summarize({COUNTER},'1h','range')",
        f"summarize({FAST},'1min','count')",
        f"summarize({GAPS},'10min','multiply')",
        f"summarize({ONE},'30s','sum')",
        f"smartSummarize({ONE},'5min')",
        f"smartSummarize({ONE},'1h','avg','1h')",
        f"smartSummarize({ONE},'1h','sum','days')",
        f"smartSummarize({ONE},'1d','sum','weeks')",
        f"smartSummarize({ONE},'1h','max','minutes')",
        f"hitcount({ONE},'10min')",
        f"hitcount({GAPS},'1h')",
        f"hitcount({ONE},'1h',true)",
        f"hitcount({FAST},'25s')",
        f"timeShift({ONE},'1d')",
        f"timeShift({CPU},'-1h')",
        f"timeShift({GAPS},'7d')",
        f"timeShift({ONE},'+1h')",
        f"timeShift({ONE},'1h',false)",
        f"timeStack({ONE},'1d',0,3)",
        f"timeStack({CPU},'1h',1,2)",
        f"timeSlice({ONE},'16:00_{{day}}','17:00_{{day}}')",
        f"consolidateBy({ONE},'max')",
        f"setXFilesFactor({GAPS},0.5)",
        f"summarize(setXFilesFactor({GAPS},0.8),'10min','sum')",
        f"stdev({ONE},5)",
        f"stdev({GAPS},5,0.5)",
    ]


def _windows() -> list[str]:
    found = []
    for name in ["movingAverage", "movingMedian", "movingMin", "movingMax", "movingSum"]:
        found += [f"{name}({ONE},5)", f"{name}({GAPS},'10min')"]
    for function in ["average", "sum", "median", "min", "max", "last", "count", "diff", "stddev", "range"]:
        found.append(f"movingWindow({GAPS},7,'{function}')")
    return [
        *found,
        f"movingAverage({FAST},'1min')",
        f"movingAverage({GAPS},10,0.8)",
        f"movingAverage({CPU},'1h')",
        f"exponentialMovingAverage({ONE},10)",
        f"exponentialMovingAverage({GAPS},'10min')",
        f"holtWintersForecast({ONE})",
        f"holtWintersForecast({ONE},'2d','1h')",
        f"holtWintersConfidenceBands({ONE})",
        f"holtWintersConfidenceBands({GAPS},2,'1d','6h')",
        f"holtWintersAberration({ONE})",
        f"linearRegression({ONE})",
        f"linearRegression({GAPS})",
        f"aggregateLine({ONE},'max')",
        f"aggregateLine({CPU},'avg',true)",
    ]


def _filters() -> list[str]:
    found = []
    for name in [
        "highestAverage",
        "highestCurrent",
        "highestMax",
        "lowestAverage",
        "lowestCurrent",
        "mostDeviant",
        "limit",
    ]:
        found.append(f"{name}({CPU},2)")
    for word in ["maximum", "minimum", "current", "average"]:
        found += [f"{word}Above({CPU},50)", f"{word}Below({CPU},50)"]
    return [
        *found,
        f"highest({CPU},2,'max')",
        f"highest({CPU})",
        f"lowest({CPU},3,'stddev')",
        f"filterSeries({CPU},'max','>',60)",
        f"filterSeries({GAPS},'last','<=',3)",
        f"filterSeries({GAPS},'min','!=',1)",
        f"nPercentile({CPU},95)",
        f"nPercentile({GAPS},5)",
        f"removeAbovePercentile({CPU},90)",
        f"removeBelowPercentile({GAPS},10)",
        f"removeAboveValue({CPU},50)",
        f"removeBelowValue({CPU},50)",
        f"removeBelowValue({GAPS},2)",
        f"averageOutsidePercentile({CPU},75)",
        f"removeBetweenPercentile({CPU},75)",
        f"removeEmptySeries({GAPS},0.9)",
        f"fallbackSeries(nothing.here,{ONE})",
        f"fallbackSeries({ONE},{TWO})",
        f"grep({CPU},'web[12]')",
        f"exclude({CPU},'web[12]')",
        f"unique({CPU},{ONE},{TWO})",
        f"sortBy({CPU},'max')",
        f"sortBy({CPU},'max',true)",
        f"sortByName({CPU},true,true)",
        f"sortByTotal({CPU})",
        f"sortByMaxima({CPU})",
        f"sortByMinima({CPU})",
    ]


def _names() -> list[str]:
    return [
        f"alias({ONE},'user')",
        f"aliasByNode({CPU},1,3)",
        f"aliasByNode({CPU},-1)",
        f"aliasByNode(scale({CPU},10),1)",
        f"aliasByNode(movingAverage({CPU},5),1,-1)",
        f"aliasByNode(sumSeries({CPU}),1)",
        f"aliasByMetric({CPU})",
        f"aliasByMetric(scale({CPU},3))",
        f"aliasSub({CPU},'servers\\.(web.).*','\\1')",
        f"aliasSub({CPU},'e','E')",
        f"substr({CPU},1,3)",
        f"substr(scale({ONE},3),1)",
        f"color({ONE},'red')",
        f"alpha({ONE},0.5)",
        f"lineWidth({ONE},2)",
        f"dashed({ONE})",
        f"dashed({ONE},2.5)",
        f"drawAsInfinite({ONE})",
        f"secondYAxis({ONE})",
        f"stacked({CPU})",
        "areaBetween(servers.web[12].cpu.user)",
        "constantLine(42)",
        "constantLine(1.5)",
        "threshold(42)",
        "threshold(42,'limit','red')",
        f"group({ONE},{TWO})",
    ]


_NESTED = [
    "alias(sumSeries(servers.*.cpu.user), 'all')",
    "aliasByNode(highestAverage(nonNegativeDerivative(servers.*.requests), 2), 1)",
    "servers.*.cpu.user | scale(2) | sumSeries() | alias('piped')",
    "sumSeries(servers.*.cpu.user)|movingAverage('10min')",
    "asPercent(movingAverage(servers.web1.cpu.user,'9min'),timeShift(movingAverage(servers.web1.cpu.user,'9min'),'1d'))",
    "diffSeries(servers.web1.cpu.user, timeShift(servers.web1.cpu.user, '7d'))",
    "divideSeries(servers.web1.cpu.user, timeShift(servers.web1.cpu.user, '1d'))",
    "movingAverage(summarize(perSecond(servers.web1.requests),'5min','avg'),3)",
    "alias(movingMedian(keepLastValue(sumSeries(gaps.*.load)),'20min'),'x')",
    "aliasSub(groupByNode(perSecond(servers.*.requests),1,'sumSeries'),'^(.)eb','\\1-')",
    "sumSeries(averageSeries(servers.web1.cpu.*),averageSeries(servers.web2.cpu.*))",
    "integral(transformNull(derivative(servers.web1.requests),0))",
    "limit(sortByMaxima(removeBelowValue(servers.*.cpu.user,20)),2)",
    "summarize(sumSeries(fast.queue.*),'1min','max')",
    "maxSeries(movingMax(servers.*.cpu.user,10))",
    "scale(asPercent(sumSeries(servers.*.cpu.user),sumSeries(servers.*.cpu.*)),0.01)",
    "consolidateBy(summarize(servers.web1.requests,'1h','last'),'last')",
    "movingAverage(movingAverage(servers.web1.cpu.user,5),5)",
    "timeShift(timeShift(servers.web1.cpu.user,'1h'),'1h')",
    "exclude(aliasByNode(servers.*.cpu.*,1,3),'idle')",
    "stddevSeries(scale(servers.*.cpu.user,0.1))",
]
