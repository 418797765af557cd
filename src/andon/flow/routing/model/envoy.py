"""The router's table as the files that Envoy reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from andon.flow.routing.contract import PARTS, Comparison, Condition, Mirror, StickyBy, Where
from andon.flow.routing.model.program import BELONGS, MEMBERS, MIRRORED, NUMBER, Entrance, program, shuffle
from andon.flow.routing.model.table import Listener, Rule, Table, Upstream

Tree = Mapping[str, "Value"]
Value = str | int | float | bool | None | Sequence["Value"] | Tree
"""A JSON document on its way to Envoy."""

_RETRIES = 3
_MOST_COPIES = 256  # under way at a time; what is more is not copied
_LONGEST_COPY = "60s"
_LUA = "envoy.filters.http.lua"


COPIES = ".dark"
"""At the end of a cluster's name: the same instances, for copies alone, so that those are counted by themselves."""


def render_clusters(table: Table) -> bytes:
    """Envoy's clusters, one a set, and two more for each environment that is mirrored."""
    clusters = [_cluster(upstream) for upstream in table.upstreams]
    endpoints = {one.set: one.endpoints for one in table.upstreams}
    for one in table.listeners:
        if one.mirror is not None:
            clusters.append(_cluster(Upstream(set=one.mirror.set, endpoints=endpoints[one.mirror.set]), copies=True))
            clusters.append(_mirror_cluster(one))
    return _discovery(clusters)


@dataclass(frozen=True, slots=True)
class AccessLogging:
    """Where requests are told, a line of JSON each, and in which of Envoy's words."""

    path: str
    format: Mapping[str, str]


def render_listeners(table: Table, routes: str, logging: AccessLogging | None = None) -> bytes:
    """Envoy's listeners, two an environment and a third while it is mirrored; ``routes`` is the folder of the files of
    :func:`render_route`."""
    rendered: list[Tree] = []
    for one in table.listeners:
        rendered.append(_listener(one, Entrance.PORT, routes, logging))
        rendered.append(_listener(one, Entrance.SOCKET, routes, logging))
        if one.mirror is not None:
            rendered.append(_listener(one, Entrance.DARK, routes, logging))
    return _discovery(rendered)


def render_route(listener: Listener) -> bytes:
    """The routes of one environment: who gets which of its requests."""
    rules = [*listener.rules]
    if not rules or rules[-1].when:
        rules.append(Rule(weights=((listener.set, PARTS),), rescue=listener.set))
    routes = []
    for rule in rules:
        if listener.mirror is not None:
            routes.append(_route(listener, rule, copied=True))
        routes.append(_route(listener, rule, copied=False))
    return _discovery(
        [
            {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": listener.name,
                "virtual_hosts": [
                    {
                        "name": listener.name,
                        "domains": ["*"],
                        "routes": routes,
                        **({"metadata": {"filter_metadata": {_LUA: _people(listener)}}} if _asked(listener) else {}),
                    }
                ],
            }
        ]
    )


def render_bootstrap(*, clusters: str, listeners: str, admin: str) -> bytes:
    """What Envoy starts with: where to find the rest, and an admin socket only its owner can reach."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "node": {"id": "andon", "cluster": "andon"},
                "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
                "overload_manager": {
                    "resource_monitors": [
                        {
                            "name": "envoy.resource_monitors.global_downstream_max_connections",
                            "typed_config": {
                                "@type": "type.googleapis.com/envoy.extensions.resource_monitors"
                                ".downstream_connections.v3.DownstreamConnectionsConfig",
                                "max_active_downstream_connections": 50_000,
                            },
                        }
                    ]
                },
                "dynamic_resources": {
                    "cds_config": {"path_config_source": {"path": clusters}, "resource_api_version": "V3"},
                    "lds_config": {"path_config_source": {"path": listeners}, "resource_api_version": "V3"},
                },
            }
        )
    )


def version_of(document: bytes) -> str:
    """The version a rendered document carries."""
    decoded: dict[str, object] = msgspec.json.decode(document)
    return str(decoded["version_info"])


def _discovery(resources: Sequence[Tree]) -> bytes:
    # The version is the content's own digest: the same state is the same file, and Envoy's answer names it.
    version = hashlib.sha256(msgspec.json.encode(resources)).hexdigest()[:16]
    return msgspec.json.encode({"version_info": version, "resources": resources})


def _route(listener: Listener, rule: Rule, *, copied: bool) -> Tree:
    action: dict[str, Value] = {
        **_target(rule),
        # A stream of events or a long download lasts as long as something moves.
        "timeout": "0s",
        "idle_timeout": "300s",
        # Only what cannot have reached the application: repeating is then harmless, whatever the method.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": _RETRIES,
            "refresh_cluster_on_retry": True,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host"
                        ".previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 3,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        },
    }
    if copied:
        action["request_mirror_policies"] = [
            {"cluster": f"mirror.{listener.name}", "disable_shadow_host_suffix_append": True}
        ]
    return {
        **({"name": rule.name} if rule.name else {}),
        "match": _match(rule.when, _asked(listener), copied=copied),
        "route": action,
        "request_headers_to_remove": [NUMBER, MIRRORED, BELONGS],
        "metadata": {"filter_metadata": {"envoy.filters.http.lua": _told(listener, rule)}},
    }


def _asked(listener: Listener) -> tuple[Condition, ...]:
    """What asks for members, each once: by its place here the program and the routes know it."""
    found = [one for rule in listener.rules for one in rule.when if one.how is Comparison.MEMBER]
    return tuple(dict.fromkeys(found))


def _people(listener: Listener) -> Tree:
    """Who belongs to what: a key for each, so that the program finds one among a thousand without reading them."""
    asked = _asked(listener)
    people: dict[str, Value] = {
        MEMBERS: [
            {"by": one.where.value, "name": one.name.lower() if one.where is Where.HEADER else one.name}
            for one in asked
        ]
    }
    for number, one in enumerate(asked, 1):
        people |= dict.fromkeys((f"{number}={member}" for member in sorted(listener.members.get(one.value, ()))), True)
    return people


def _told(listener: Listener, rule: Rule) -> Tree:
    """What the program has to know of a route."""
    told: dict[str, Value] = {}
    if rule.sticky is not None and len(rule.weights) > 1:
        factor, offset = shuffle(rule.sticky.salt)
        told["sticky"] = {
            "by": rule.sticky.by.value,
            "name": rule.sticky.name.lower() if rule.sticky.by is StickyBy.HEADER else rule.sticky.name,
            "salt": rule.sticky.salt,
            "factor": factor,
            "offset": offset,
        }
    if listener.mirror is not None and listener.mirror.parts:
        told["mirror"] = {"parts": listener.mirror.parts, "methods": " ".join(listener.mirror.methods)}
        told |= _ignored(listener.mirror)
    return told


def _ignored(mirror: Mirror) -> dict[str, Value]:
    if not (mirror.ignore.fields or mirror.ignore.values):
        return {}
    return {"ignore": {"fields": " ".join(mirror.ignore.fields), "values": " ".join(mirror.ignore.values)}}


def _target(rule: Rule) -> Tree:
    if len(rule.weights) == 1 and rule.weights[0][0] == rule.rescue:
        return {"cluster": rule.rescue}
    divided: Tree = {
        "name": "divided",
        "clusters": [{"cluster_name": one, "weight": parts} for one, parts in rule.weights],
    }
    # A group an attempt; without one for each of them it would begin again with the first.
    rescue: list[Tree] = [
        {"name": f"rescue {number}", "clusters": [{"cluster_name": rule.rescue, "weight": 1}]}
        for number in range(1, _RETRIES + 1)
    ]
    groups: list[Tree] = [divided, *rescue]
    by_number: Tree = {} if rule.sticky is None else {"header_name": NUMBER}
    return {
        "inline_cluster_specifier_plugin": {
            "extension": {
                "name": "envoy.router.cluster_specifier_plugin.priority_group",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.router.cluster_specifiers"
                    ".priority_group.v3.PriorityGroupClusterSpecifier",
                    "priority_groups": groups,
                    **by_number,
                },
            }
        }
    }


def _match(when: Sequence[Condition], asked: Sequence[Condition], *, copied: bool) -> Tree:
    path: Tree = {"prefix": "/"}
    headers: list[Tree] = [{"name": MIRRORED, "present_match": True}] if copied else []
    cookies: list[Tree] = []
    query: list[Tree] = []
    for one in when:
        match one.where:
            case Where.PATH if one.how is Comparison.IS:
                path = {"path": one.value}
            case Where.PATH:
                segments = one.value.rstrip("/")
                path = {"path_separated_prefix": segments} if segments else path
            case Where.HEADER | Where.COOKIE if one.how is Comparison.MEMBER:
                told = f",{asked.index(one) + 1},"
                headers.append({"name": BELONGS, "string_match": {"contains": told}})
            case Where.HEADER:
                headers.append({"name": one.name, **_compared(one)})
            case Where.QUERY:
                query.append({"name": one.name, **_compared(one)})
            case Where.COOKIE:
                # it knows no other way to say that there is one
                present: Tree = {"string_match": {"safe_regex": {"regex": ".*"}}}
                compared = present if one.how is Comparison.PRESENT else _compared(one)
                cookies.append({"name": one.name, **compared})
    return {**path, "headers": headers, "cookies": cookies, "query_parameters": query}


def _compared(one: Condition) -> Tree:
    match one.how:
        case Comparison.PRESENT:
            return {"present_match": True}
        case Comparison.IS:
            return {"string_match": {"exact": one.value}}
        case Comparison.PREFIX:
            return {"string_match": {"prefix": one.value}}
        case Comparison.MEMBER:
            raise AssertionError("the program looks for members, and tells it in a header")


def _cluster(upstream: Upstream, *, copies: bool = False) -> Tree:
    most = _MOST_COPIES if copies else 8192
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": upstream.set + (COPIES if copies else ""),
        "type": "STATIC",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {
            "cluster_name": upstream.set,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(one)}} for one in upstream.endpoints]}],
        },
        "circuit_breakers": {
            "thresholds": [{"max_connections": 4096, "max_pending_requests": most, "max_requests": most}]
        },
        # An instance that cannot be reached is passed over for a moment, unless it is the only one.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "consecutive_5xx": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "3s",
            "max_ejection_percent": 50,
        },
    }


def _mirror_cluster(listener: Listener) -> Tree:
    """From a route to the listener for copies."""
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": f"mirror.{listener.name}",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": f"mirror.{listener.name}",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": listener.dark}}}}]}],
        },
        # What the dark version does not keep up with is dropped, and never waits at the customers' expense.
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1024, "max_pending_requests": _MOST_COPIES, "max_requests": _MOST_COPIES}
            ]
        },
    }


def _access_log(listener: Listener, entrance: Entrance, logging: AccessLogging) -> Tree:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": logging.path,
            "log_format": {
                "json_format": {
                    **logging.format,
                    "service": listener.service,
                    "environment": listener.environment,
                    "local": entrance is Entrance.SOCKET,
                    **({"dark": True} if entrance is Entrance.DARK else {}),
                },
                "omit_empty_values": True,
            },
        },
    }


def _listener(listener: Listener, entrance: Entrance, routes: str, logging: AccessLogging | None) -> Tree:
    name, told, address = listener.name, f"{listener.service} {listener.environment}", ""
    match entrance:
        case Entrance.SOCKET:
            name, address = f"{listener.name}.entry", listener.entry
        case Entrance.DARK:
            name, address = f"{listener.name}{COPIES}", listener.dark
    port: Tree = {"socket_address": {"address": listener.host, "port_value": listener.port}}
    dark = entrance is Entrance.DARK
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"pipe": {"path": address, "mode": 0o600}} if address else port,
        # Otherwise a second Envoy of the same user could listen on the same port as well, and get half its visitors.
        "enable_reuse_port": False,
        # Without a socket for each of Envoy's threads, one of them would be given most of the connections.
        "connection_balance_config": {"exact_balance": {}},
        "per_connection_buffer_limit_bytes": 1_048_576,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network"
                            ".http_connection_manager.v3.HttpConnectionManager",
                            # Copies have a name that nobody asks for: they are no customer's requests.
                            "stat_prefix": f"dark.{listener.name}" if dark else listener.name,
                            "access_log": [] if logging is None else [_access_log(listener, entrance, logging)],
                            "server_header_transformation": "PASS_THROUGH",
                            "use_remote_address": not dark,
                            # A copy has the id of what it is a copy of: that is how their answers find each other.
                            "preserve_external_request_id": dark,
                            "normalize_path": True,
                            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
                            "upgrade_configs": [{"upgrade_type": "websocket"}],
                            **(_copies(listener) if dark else _rds(listener, routes)),
                            "http_filters": [
                                {
                                    "name": "envoy.filters.http.lua",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                                        "default_source_code": {
                                            "inline_string": program(
                                                f"{listener.name}{COPIES}" if dark else listener.name, told, entrance
                                            )
                                        },
                                    },
                                },
                                {
                                    "name": "envoy.filters.http.router",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                                    },
                                },
                            ],
                        },
                    }
                ]
            }
        ],
    }


def _rds(listener: Listener, routes: str) -> Tree:
    return {
        "rds": {
            "route_config_name": listener.name,
            "config_source": {
                "path_config_source": {"path": f"{routes}/{listener.name}.json"},
                "resource_api_version": "V3",
            },
        }
    }


def _copies(listener: Listener) -> Tree:
    assert listener.mirror is not None  # noqa: S101 - the caller has looked
    target = {"cluster": listener.mirror.set + COPIES, "timeout": _LONGEST_COPY}
    told: Tree = {"filter_metadata": {"envoy.filters.http.lua": _ignored(listener.mirror)}}
    routes: list[Tree] = [{"match": {"prefix": "/"}, "route": target, "metadata": told}]
    return {
        "route_config": {
            "name": f"dark.{listener.name}",
            "virtual_hosts": [{"name": "dark", "domains": ["*"], "routes": routes}],
        }
    }


def _address(endpoint: str) -> Tree:
    if endpoint.startswith("unix:"):
        return {"pipe": {"path": endpoint.removeprefix("unix:")}}
    host, _, port = endpoint.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
