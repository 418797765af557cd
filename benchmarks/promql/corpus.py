"""Every function, operator and modifier of PromQL, in variations. The samples are those of :mod:`.samples`."""

from __future__ import annotations

from collections.abc import Iterator

_COUNTERS = ('node_cpu_seconds_total{cpu="0"}', "node_network_receive_bytes_total", "node_forks_total", "odd")
_GAUGES = ("node_load1", 'node_memory_MemFree_bytes{instance="alpha:9100"}', "odd", "odd_seldom")
_RANGES = ("45s", "1m", "5m", "1h")

_OF_COUNTERS = ("rate", "increase", "irate", "resets")
_OF_GAUGES = ("delta", "idelta", "deriv", "changes")
_OVER_TIME = ("avg", "min", "max", "sum", "count", "stddev", "stdvar", "last", "present", "absent")
_MATHS = (
    *("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "round", "deg", "rad"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
_CALENDAR = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
_SIMPLE = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")

_WRITTEN = r"""
node_load1
{__name__="node_load1"}
{__name__=~"node_load.*"}
{__name__=~"node_load1|node_load5", instance!="beta:9100"}
node_load1{instance=~"al.*"}
node_load1{instance=~"al"}
node_load1{instance!~"al.*"}
node_load1{job="node", instance=~".+:9100"}
node_load1{missing=""}
node_load1{missing!=""}
node_load1{instance=~"alpha:9100|beta:9100"}
node_load1{instance=~"(?i)ALPHA.*"}
node_load1{instance=~""}
odd_info{word="ünïcode"}
odd_info{word='quo"te'}
odd_info{word="back\\slash"}
odd_info{word=~"line.break"}
odd_info{word=`with space`}
odd_info{word=~`alpha-\d+`}
no_such_metric
node_load1 offset 5m
node_load1 offset 1h30m
node_load1 offset -5m
node_load1 @ 1700003600
node_load1 @ start()
node_load1 @ end()
node_load1 @ 1700003600 offset 10m
node_load1 offset 10m @ 1700003600
rate(node_forks_total[5m] offset 10m)
rate(node_forks_total[5m] @ 1700003600)
rate(node_forks_total[5m] @ end() offset -1m)
sum(rate(node_forks_total[5m])) / sum(rate(node_forks_total[5m] offset 30m))
node_load1 - node_load1 @ start()
topk(1, node_load1 @ end())
predict_linear(node_load1[10m] @ end(), 60)
predict_linear(node_load1[10m] offset 5m, 60)
timestamp(node_load1)
timestamp(node_load1 offset 5m)
timestamp(node_load1 @ 1700003600)
timestamp((node_load1))
timestamp(node_load1 + 1)
timestamp(timestamp(node_load1))
timestamp(odd_once)
time()
time() - timestamp(node_load1)
vector(1)
vector(time())
scalar(node_load1)
scalar(node_load1{instance="alpha:9100"})
scalar(no_such_metric)
vector(scalar(odd{shape="nan"}))
1
-1
1 + 2 * 3
2 ^ 3 ^ 2
-2 ^ 2
7 % 3
-7 % 3
7 % -3
7.5 % 2
1 / 0
-1 / 0
0 / 0
1 == bool 1
1 != bool 1
2 > bool 1
2 < bool 1
2 >= bool 2
2 <= bool 1
NaN == bool NaN
Inf
-Inf
0x1F
1e3
.5
1 atan2 2
pi()
pi() * 2
absent(node_load1)
absent(no_such_metric)
absent(no_such_metric{job="a", instance=~"b", x!="y"})
absent(no_such_metric{job="a", job="b", foo="bar"})
absent(sum(no_such_metric))
absent(node_load1 > 1e9)
absent_over_time(no_such_metric{job="a"}[5m])
absent_over_time(odd_once[10m])
absent_over_time(odd_seldom[2m])
absent_over_time(node_load1[1m:10s])
absent_over_time(odd_seldom[3m:1m])
odd_once
odd_seldom
count_over_time(odd_once[10m])
node_load1 + node_load5
node_load1 - node_load5
node_load1 * node_load5
node_load1 / node_load5
node_load1 % node_load5
node_load1 ^ node_load5
node_load1 atan2 node_load5
node_load1 + 1
1 + node_load1
2 - node_load1
node_load1 / 0
node_load1 % 0.3
2 ^ node_load1
odd ^ 2
odd % 3
odd / odd
odd * 2
-odd
-(odd)
+odd
- node_load1
odd atan2 1
node_load1 > 1
node_load1 < 1
node_load1 >= 1
node_load1 <= 1
node_load1 == 1
node_load1 != 1
1 < node_load1
1 >= node_load1
node_load1 > bool 1
1 > bool node_load1
node_load1 == bool node_load5
node_load1 > node_load5
node_load1 < bool node_load5
node_load1 != node_load1
odd == odd
odd == bool odd
odd > 3
odd{shape="nan"} == bool 1
node_load1 > 0.5 < 1.5
node_load1 and node_load5
node_load1 and on(instance) node_load5 > 1
node_load1 and on() vector(1)
node_load1 and on() (vector(time()) > 1700003600)
node_load1 unless node_load5 > 1
node_load1 unless on(instance) node_load5{instance="alpha:9100"}
node_load1 or node_load5
node_load1{instance="alpha:9100"} or node_load1
node_load1 > 1 or node_load5
node_load1 or on(instance) node_load5
node_load1 or ignoring(instance) node_load5
node_load1 > 1 or vector(0)
node_load1 and ignoring(job) node_load5
no_such_metric or node_load1
node_load1 or no_such_metric
node_load1 and no_such_metric
node_load1 unless no_such_metric
node_load1 + no_such_metric
node_load1 + on(instance) node_load5
node_load1 + on(instance, job) node_load5
node_load1 + ignoring(job) node_load5
node_load1 > on(instance) node_load5
node_load1 > ignoring(job) node_load5
node_load1 > bool on(instance) node_load5
node_load1 * on(instance) group_left() node_procs_running
node_cpu_seconds_total * on(instance) group_left node_load1
node_cpu_seconds_total / on(instance, cpu) group_left sum by (instance, cpu) (node_cpu_seconds_total)
node_cpu_seconds_total / ignoring(mode) group_left sum without(mode) (node_cpu_seconds_total)
sum without(mode) (node_cpu_seconds_total) / ignoring(mode) group_right node_cpu_seconds_total
node_load1 * on(instance) group_right node_cpu_seconds_total{cpu="0"}
node_load1 * on(instance) group_left(nodename) node_uname_info
node_uname_info * on(instance) group_right(nodename, release) node_load1
node_load1 * on(instance) group_left(missing) node_uname_info
node_load1 * on(job) node_load5
node_load1 * on(job) group_left node_load5
node_cpu_seconds_total + on(instance) node_load1
node_load1 > on(instance) group_right node_cpu_seconds_total
node_cpu_seconds_total > bool on(instance) group_left node_load1
node_cpu_seconds_total > on(instance) group_left(nodename) node_uname_info
sum(node_load1) * on() group_right node_load5
node_load1 * on() group_left sum(node_load5)
rate(node_cpu_seconds_total{mode="user"}[1m]) + ignoring(mode) rate(node_cpu_seconds_total{mode="system"}[1m])
sum by (instance) (node_load1) + sum by (instance) (node_load5)
sum by (__name__) ({__name__=~"node_load.*"})
sum by (missing) (node_load1)
sum without () (node_load1)
sum without (instance, job) (node_load1)
sum by () (node_load1)
count by (mode) (node_cpu_seconds_total)
count(count by (cpu) (node_cpu_seconds_total))
topk(3, node_cpu_seconds_total)
topk(2, node_cpu_seconds_total) by (instance)
topk without (mode) (1, node_cpu_seconds_total)
topk(0, node_load1)
topk(100, node_load1)
topk(-1, node_load1)
topk(1.9, node_load1)
topk(scalar(count(up)), node_cpu_seconds_total)
bottomk(3, node_cpu_seconds_total)
bottomk by (instance) (1, node_cpu_seconds_total)
topk(5, odd)
bottomk(5, odd)
topk(3, odd{shape=~"nan|some_nan|inf|negative"})
bottomk(3, odd{shape=~"nan|some_nan|inf|negative"})
quantile(0.5, node_cpu_seconds_total)
quantile by (mode) (0.9, node_cpu_seconds_total)
quantile(0, node_load1)
quantile(1, node_load1)
quantile(-1, node_load1)
quantile(2, node_load1)
quantile(NaN, node_load1)
quantile(0.3, odd)
quantile(0.3, odd{shape!~".*inf|huge"})
quantile(scalar(odd{shape="saw"}) / 20, node_cpu_seconds_total)
count_values("value", up)
count_values("value", node_filesystem_readonly)
count_values by (instance) ("value", node_procs_running)
count_values without (mode) ("value", round(node_cpu_seconds_total, 1000))
count_values("value", odd)
count_values("job", up)
stddev(odd{shape!~"nan|.*inf|huge|some_nan"})
stdvar by (instance) (node_cpu_seconds_total)
sum(odd)
sum(odd{shape!~"nan|.*inf|some_nan"})
avg(odd{shape=~"huge|line"})
avg(odd{shape="huge"})
max(odd)
min(odd)
max(odd{shape=~"nan|flat"})
min(odd{shape=~"nan"})
avg by (shape) (odd)
group by (shape) (odd)
sum(sum by (instance) (rate(node_cpu_seconds_total[5m])))
sort(node_cpu_seconds_total)
sort_desc(node_cpu_seconds_total)
sort(odd{shape=~"nan|saw|negative|line"})
sort_desc(odd{shape=~"nan|saw|negative|line"})
clamp(odd, 0, 10)
clamp(odd, 10, 0)
clamp_min(odd, 2)
clamp_max(odd, 2)
clamp_max(odd, NaN)
clamp(node_load1, scalar(node_load5{instance="alpha:9100"}), 2)
round(node_load1, 0.1)
round(node_load1, 5)
round(odd, 0.01)
round(odd, 0)
round(odd{shape="negative"} / 2)
label_replace(node_load1, "host", "$1", "instance", "(.*):.*")
label_replace(node_load1, "host", "$1-$2", "instance", "(.*):(.*)")
label_replace(node_load1, "host", "${1}x", "instance", "(.*):.*")
label_replace(node_load1, "host", "$1x", "instance", "(.*):.*")
label_replace(node_load1, "host", "x$$", "instance", "(.*):.*")
label_replace(node_load1, "host", "$name", "instance", "(?P<name>.*):.*")
label_replace(node_load1, "host", "$9", "instance", "(.*):.*")
label_replace(node_load1, "host", "$0", "instance", ".*:91(.*)")
label_replace(node_load1, "host", "x", "instance", "alpha")
label_replace(node_load1, "instance", "", "instance", "alpha.*")
label_replace(node_load1, "job", "", "missing", "")
label_replace(node_load1, "host", "none", "missing", "")
label_replace(node_load1, "instance", "same", "instance", ".*")
label_replace(node_load1, "bad-label", "x", "instance", ".*")
label_replace(node_load1, "host", "x", "instance", "(")
label_replace(node_load1, "__name__", "other", "instance", "alpha.*")
label_replace(rate(node_forks_total[5m]), "host", "$2", "instance", "((a|b).*):\\d+")
label_replace(odd_info, "new", "[$1]", "word", "(.*)")
label_replace(odd_info, "new", "[$1]", "word", "[^a]*(e)?.*")
label_join(node_load1, "both", "-", "job", "instance")
label_join(node_load1, "both", ",", "job", "missing", "instance")
label_join(node_load1, "instance", "", "missing")
label_join(node_load1, "job", "-", "job", "job")
label_join(node_load1, "none", ",")
label_join(node_load1, "bad-label", ",", "job")
histogram_quantile(0.5, apiserver_request_duration_seconds_bucket)
histogram_quantile(0.9, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(0, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(1, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(-0.1, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(1.1, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(NaN, rate(apiserver_request_duration_seconds_bucket[5m]))
histogram_quantile(0.5, odd_bucket)
histogram_quantile(0.2, odd_bucket)
histogram_quantile(0.99, odd_bucket)
histogram_quantile(0.5, odd_bucket{le!="+Inf"})
histogram_quantile(0.5, endless_bucket)
histogram_quantile(0.5, node_load1)
histogram_quantile(0.5, sum by (le) (rate(envoy_cluster_upstream_rq_time_bucket[1m])))
histogram_quantile(0.5, sum by (le, envoy_cluster_name) (increase(envoy_cluster_upstream_rq_time_bucket[1m])))
histogram_quantile(scalar(odd{shape="saw"}) / 20, envoy_cluster_upstream_rq_time_bucket)
histogram_quantile(0.9, envoy_cluster_upstream_rq_time_bucket - envoy_cluster_upstream_rq_time_bucket offset 5m)
quantile_over_time(0.5, node_load1[5m])
quantile_over_time(0.95, odd[10m])
quantile_over_time(0, node_load1[5m])
quantile_over_time(1, node_load1[5m])
quantile_over_time(-1, node_load1[5m])
quantile_over_time(2, node_load1[5m])
quantile_over_time(scalar(odd{shape="saw"}) / 20, node_load1[5m])
quantile_over_time(0.5, rate(node_forks_total[1m])[10m:30s])
predict_linear(node_load1[5m], 3600)
predict_linear(odd[5m], 60)
predict_linear(odd{shape=~"flat|line|inf|nan"}[10m], -60)
predict_linear(node_load1[5m], scalar(odd{shape="saw"}))
deriv(odd{shape="line"}[10m])
deriv(odd{shape="flat"}[10m])
holt_winters(node_load1[5m], 0.5, 0.5)
holt_winters(node_load1[5m], 0.1, 0.9)
holt_winters(odd[5m], 0.3, 0.1)
holt_winters(node_load1[5m], 0, 0.5)
holt_winters(node_load1[5m], 0.5, 1)
max_over_time(rate(node_forks_total[1m])[10m:1m])
max_over_time(rate(node_forks_total[1m])[10m:])
avg_over_time(node_load1[10m:30s])
avg_over_time(node_load1[10m:7s])
avg_over_time(node_load1[10m:30s] offset 5m)
avg_over_time(node_load1[10m:30s] @ 1700003600)
avg_over_time(node_load1[10m:30s] @ end() offset 1m)
avg_over_time((node_load1 offset 1m)[10m:30s])
sum_over_time(vector(1)[10m:1m])
sum_over_time(vector(time())[10m:1m])
sum_over_time((node_load1 > bool 1)[10m:15s])
count_over_time((node_load1 > 1)[10m:15s])
rate(sum(node_forks_total)[5m:15s])
increase(node_forks_total[5m:30s])
deriv(rate(node_network_receive_bytes_total[1m])[10m:30s])
min_over_time(max_over_time(node_load1[1m])[10m:1m])
max_over_time(max_over_time(rate(node_forks_total[1m])[5m:1m])[10m:2m])
last_over_time(node_load1[10m:1m] @ start())
changes(up[30m:1m])
stddev_over_time(rate(node_cpu_seconds_total{mode="user"}[1m])[10m:1m])
sum by (instance) (max_over_time(node_load1[5m:1m]))
topk(1, max_over_time(node_cpu_seconds_total[5m:1m]))
last_over_time({__name__=~"node_load1|node_load5"}[5m])
avg_over_time({__name__=~"node_load1|node_load5"}[5m])
rate({__name__=~"node_forks_total|node_intr_total"}[5m])
abs({__name__=~"node_load1|node_load5"})
{__name__=~"node_load1|node_load5"} + 1
sum(rate({__name__=~"node_forks_total|node_intr_total"}[5m])) by (instance)
node_load1 == ignoring(job, instance) node_load5
(node_load1)
((node_load1)) + (((1)))
sum(node_load1) by (instance) + sum(node_load5) by (instance) * 2
node_load1 + node_load5 * node_load15 - 1
node_load1 > 0.1 and node_load5 > 0.1 or node_load15
node_load1 * 2 ^ 2
-node_load1 * 2
sum(-node_load1)
node_load1 # a comment
avg(node_load1) > bool avg(node_load5)
sum(rate(node_cpu_seconds_total[5m])) by (mode) > 0.01
day_of_week(vector(1700000000))
days_in_month(vector(1709200000))
year(vector(-1))
hour(vector(-3601))
minute(odd{shape="line"})
month(node_boot_time_seconds)
hour(timestamp(node_load1))
day_of_year() + 0
rate(node_forks_total[15s])
rate(node_forks_total[1d])
increase(node_forks_total[2h])
increase(odd_once[1h])
increase(odd_seldom[10m])
rate(odd{shape="negative"}[5m])
delta(odd_seldom[20m])
irate(odd{shape="saw"}[1m])
sum(rate(node_cpu_seconds_total[5m] offset 1m)) without (cpu, mode)
avg_over_time(odd{shape="huge"}[5m])
sum_over_time(odd{shape="huge"}[5m])
avg_over_time(odd{shape="both_inf"}[10m])
max_over_time(odd{shape="some_nan"}[5m])
min_over_time(odd{shape="nan"}[5m])
"hello"
node_load1[1m]
node_load1[5m] offset 10m
odd_seldom[30m]
node_load1[2m:30s]
rate(node_forks_total[1m])[5m:1m]
{__name__=~"node_load.*"}[45s]
rate(node_load1)
sum(
node_load1[5m] + 1
foo(node_load1)
node_load1{instance=~"("}
1 and 2
node_load1 and 1
{}
{job=~".*"}
sum(node_load1, 1)
topk(node_load1)
1 > 2
count_values("bad-label", up)
rate(node_forks_total[0s])
node_load1 offset
label_replace(node_load1, "a", "b")
"""

BEYOND = (
    "limitk(2, node_load1)",
    "mad_over_time(node_load1[5m])",
    "double_exponential_smoothing(node_load1[5m], 0.5, 0.5)",
    'sort_by_label(node_cpu_seconds_total, "mode")',
    "histogram_fraction(0, 0.5, rate(apiserver_request_duration_seconds_bucket[5m]))",
    "ts_of_max_over_time(node_load1[5m])",
    "first_over_time(node_load1[5m])",
    "rate(node_forks_total[300])",
)
"""What came into PromQL after Prometheus 2.42."""


def queries() -> tuple[str, ...]:
    """Each once."""
    return tuple(dict.fromkeys(_all()))


def _all() -> Iterator[str]:
    for function in _OF_COUNTERS:
        for selector in _COUNTERS:
            for length in _RANGES:
                yield f"{function}({selector}[{length}])"
    for function in _OF_GAUGES:
        for selector in _GAUGES:
            for length in ("1m", "10m"):
                yield f"{function}({selector}[{length}])"
    for function in _OVER_TIME:
        for selector in _GAUGES:
            yield f"{function}_over_time({selector}[5m])"
        yield f"{function}_over_time(node_procs_running[1h])"
        yield f"{function}_over_time(node_load1[5m:20s])"
    for function in _MATHS:
        yield f"{function}(odd)"
        yield f"{function}(node_load1 - 1)"
    for function in _CALENDAR:
        yield f"{function}()"
        yield f"{function}(node_boot_time_seconds)"
    for operator in _SIMPLE:
        yield f"{operator}(node_cpu_seconds_total)"
        yield f"{operator} by (mode) (rate(node_cpu_seconds_total[1m]))"
        yield f"{operator} without (cpu, mode) (node_cpu_seconds_total)"
    for line in _WRITTEN.strip().splitlines():
        yield line.strip()
