"""What the router is told, as values; rendered to Envoy's configuration without touching anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import Service
from andon.kernel.errors import Conflict

Tree = Mapping[str, "Value"]
Value = str | int | float | bool | None | Sequence["Value"] | Tree
"""A JSON document on its way to Envoy."""


PASSED = "andon-passed"
"""A request's header: through which environments it has come, a line for each time."""
MOST_PASSES = 3
"""How often a request may come through the same environment: a gateway may well be called by what it calls."""

_PROGRAM = """\
local function ours(text)
  local name = text:match("^[%s=]*([^=%s]*)"):gsub("^__Host%-", "")
  return name:find("^andon%-session%-%d+$") or name:find("^andon%-visitor%-%d+$")
end

local function values(headers, name)
  local found = {}
  for place = 0, headers:getNumValues(name) - 1 do
    found[#found + 1] = headers:getAtIndex(name, place)
  end
  return found
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local passed = table.concat(values(headers, "PASSED"), ",")
  local _, times = passed:gsub("MARK", "")
  if times >= MOST then
    handle:respond({[":status"] = "508", ["content-type"] = "text/plain; charset=utf-8"},
      "This request goes round: it has come to NAME MOST times already.\\n" ..
      "Something on its way passes it on to where it came from. Nothing was done with it this time.\\n")
    return
  end
  headers:add("PASSED", "MARK")
  local given = headers:get("cookie")
  if given == nil or not given:find("andon-", 1, true) then
    return
  end
  local kept = {}
  for part in table.concat(values(headers, "cookie"), ";"):gmatch("[^;]+") do
    if not ours(part) then
      kept[#kept + 1] = part:match("^%s*(.*)")
    end
  end
  headers:remove("cookie")
  if #kept > 0 then
    headers:add("cookie", table.concat(kept, "; "))
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local given = headers:get("set-cookie")
  if given == nil or not given:find("andon-", 1, true) then
    return
  end
  local all = values(headers, "set-cookie")
  headers:remove("set-cookie")
  for _, one in ipairs(all) do
    if not ours(one) then
      headers:add("set-cookie", one)
    end
  end
end
"""
"""What happens to each request and answer.

Browsers send a host's cookies to all of its ports: without this a hostile service would be handed the console's
session by whoever opens it signed in. It can set none of ours in an answer either. The port in their names may be any:
there may be a second installation on the machine, and its sessions are nobody's business either. A cookie without a
name is sent back as its value alone: `=andon-session-1=x` is one of ours, too.

Every pattern here reads its text once: one that tries again from each of many blanks would hold up Envoy, and with it
all environments, for seconds.

An instance's socket may be a link to its own environment's: each request is marked on its way in, or it would go round
until the router has no connections left. The mark is a digest: what is called need not read by whom.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A set of instances the router can send traffic to."""

    set: SetId
    endpoints: tuple[str, ...]
    """``unix:/path`` or ``host:port``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An environment's port and the set that has its traffic."""

    service: Service
    environment: str
    host: str
    port: int
    set: SetId
    entry: str
    """Path of the Unix socket that serves the same, for what runs on this machine without its network."""

    @property
    def name(self) -> str:
        return f"{self.service}.{self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything the router should know."""

    listeners: tuple[Listener, ...]
    upstreams: tuple[Upstream, ...]


class Outdated(Conflict):
    """A deployment that no longer holds the environment's lock tried to move its traffic."""

    code = "routing.outdated"


def render_clusters(table: Table) -> bytes:
    """Envoy's clusters, one a set."""
    return _discovery([_cluster(upstream) for upstream in table.upstreams])


@dataclass(frozen=True, slots=True)
class AccessLogging:
    """Where requests are told, a line of JSON each, and in which of Envoy's words."""

    path: str
    format: Mapping[str, str]


def render_listeners(table: Table, routes: str, logging: AccessLogging | None = None) -> bytes:
    """Envoy's listeners, one an environment; ``routes`` is the folder of the files of :func:`render_route`."""
    return _discovery(
        [
            rendered
            for one in table.listeners
            for rendered in (
                _listener(
                    one, one.name, {"socket_address": {"address": one.host, "port_value": one.port}}, routes, logging
                ),
                _listener(one, f"{one.name}.entry", {"pipe": {"path": one.entry, "mode": 0o600}}, routes, logging),
            )
        ]
    )


def render_route(listener: Listener) -> bytes:
    """The route of one environment: all its traffic to one set."""
    return _discovery(
        [
            {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": listener.name,
                "virtual_hosts": [
                    {
                        "name": listener.name,
                        "domains": ["*"],
                        "routes": [
                            {
                                "match": {"prefix": "/"},
                                "route": {
                                    "cluster": listener.set,
                                    # A stream of events or a long download lasts as long as something moves.
                                    "timeout": "0s",
                                    "idle_timeout": "300s",
                                    # Only what cannot have reached the application: repeating is then harmless,
                                    # whatever the method.
                                    "retry_policy": {
                                        "retry_on": "connect-failure,refused-stream,reset-before-request",
                                        "num_retries": 3,
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
                                },
                            }
                        ],
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


def _cluster(upstream: Upstream) -> Tree:
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": upstream.set,
        "type": "STATIC",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {
            "cluster_name": upstream.set,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(one)}} for one in upstream.endpoints]}],
        },
        "circuit_breakers": {
            "thresholds": [{"max_connections": 4096, "max_pending_requests": 8192, "max_requests": 8192}]
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


def _access_log(listener: Listener, name: str, logging: AccessLogging) -> Tree:
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
                    "local": name != listener.name,
                }
            },
        },
    }


def _listener(listener: Listener, name: str, address: Tree, routes: str, logging: AccessLogging | None) -> Tree:
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": address,
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
                            "stat_prefix": listener.name,
                            "access_log": [] if logging is None else [_access_log(listener, name, logging)],
                            "server_header_transformation": "PASS_THROUGH",
                            "use_remote_address": True,
                            "normalize_path": True,
                            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
                            "upgrade_configs": [{"upgrade_type": "websocket"}],
                            "rds": {
                                "route_config_name": listener.name,
                                "config_source": {
                                    "path_config_source": {"path": f"{routes}/{listener.name}.json"},
                                    "resource_api_version": "V3",
                                },
                            },
                            "http_filters": [
                                {
                                    "name": "envoy.filters.http.lua",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                                        "default_source_code": {"inline_string": _program(listener)},
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


def _program(listener: Listener) -> str:
    words = {
        "PASSED": PASSED,
        "MARK": hashlib.sha256(listener.name.encode()).hexdigest()[:16],
        "MOST": str(MOST_PASSES),
        "NAME": f"{listener.service} {listener.environment}",
    }
    return re.sub("|".join(words), lambda found: words[found[0]], _PROGRAM)


def _address(endpoint: str) -> Tree:
    if endpoint.startswith("unix:"):
        return {"pipe": {"path": endpoint.removeprefix("unix:")}}
    host, _, port = endpoint.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
