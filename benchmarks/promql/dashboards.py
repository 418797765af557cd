"""What ten well-known Grafana dashboards ask, their variables filled in, and the series that they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.promql.samples import Dimensions, Family


@dataclass(frozen=True, slots=True)
class Dashboard:
    name: str
    families: tuple[Family, ...]
    queries: tuple[str, ...]


def _families(common: Dimensions, **kinds: dict[str, tuple[float, Dimensions]]) -> tuple[Family, ...]:
    return tuple(
        Family(name, kind, {**common, **labels}, scale)
        for kind, families in kinds.items()
        for name, (scale, labels) in families.items()
    )


def _queries(name: str) -> tuple[str, ...]:
    return tuple((_QUERIES / f"{name}.promql").read_text().splitlines())


_QUERIES = Path(__file__).parent / "queries"
_HOSTS: Dimensions = {"instance": ["alpha:9100", "beta:9100"], "job": ["node"]}
_DISKS: Dimensions = {"device": ["sda", "nvme0n1", "dm-0"]}
_NETS: Dimensions = {"device": ["eth0", "lo", "veth1a"]}
_MOUNTS: Dimensions = {"mountpoint": ["/", "/boot", "/run"], "fstype": ["ext4", "tmpfs"], "device": ["/dev/sda1"]}
_GB = 1e9

NODE = Dashboard(
    "Node Exporter Full",
    _families(
        _HOSTS,
        counter={
            "node_cpu_seconds_total": (
                1.0001,
                {"cpu": ["0", "1"], "mode": ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]},
            ),
            "node_disk_read_bytes_total": (1e6, _DISKS),
            "node_disk_written_bytes_total": (1e6, _DISKS),
            "node_disk_reads_completed_total": (1, _DISKS),
            "node_disk_writes_completed_total": (1, _DISKS),
            "node_disk_read_time_seconds_total": (0.01, _DISKS),
            "node_disk_write_time_seconds_total": (0.01, _DISKS),
            "node_disk_io_time_seconds_total": (0.1, _DISKS),
            "node_network_receive_bytes_total": (1e5, _NETS),
            "node_network_transmit_bytes_total": (1e5, _NETS),
            "node_network_receive_errs_total": (1, _NETS),
            "node_network_receive_drop_total": (1, _NETS),
            "node_context_switches_total": (100, {}),
            "node_intr_total": (100, {}),
            "node_forks_total": (1, {}),
            "node_netstat_Tcp_RetransSegs": (1, {}),
            "node_vmstat_pswpin": (1, {}),
            "node_vmstat_pgmajfault": (1, {}),
            "node_pressure_cpu_waiting_seconds_total": (0.1, {}),
        },
        gauge={
            "node_load1": (2, {}),
            "node_load5": (2, {}),
            "node_load15": (2, {}),
            "node_memory_MemTotal_bytes": (16 * _GB, {}),
            "node_memory_MemFree_bytes": (4 * _GB, {}),
            "node_memory_MemAvailable_bytes": (8 * _GB, {}),
            "node_memory_Buffers_bytes": (_GB, {}),
            "node_memory_Cached_bytes": (4 * _GB, {}),
            "node_memory_SReclaimable_bytes": (_GB, {}),
            "node_memory_SwapTotal_bytes": (2 * _GB, {}),
            "node_memory_SwapFree_bytes": (2 * _GB, {}),
            "node_filesystem_size_bytes": (100 * _GB, _MOUNTS),
            "node_filesystem_avail_bytes": (50 * _GB, _MOUNTS),
            "node_filesystem_free_bytes": (50 * _GB, _MOUNTS),
            "node_filesystem_files": (1e6, _MOUNTS),
            "node_filesystem_files_free": (1e6, _MOUNTS),
            "node_hwmon_temp_celsius": (60, {"chip": ["platform_coretemp_0"], "sensor": ["temp1", "temp2"]}),
            "node_procs_running": (4, {}),
            "node_timex_offset_seconds": (0.001, {}),
            "node_systemd_units": (50, {"state": ["active", "failed"]}),
        },
        constant={
            "node_uname_info": (1, {"nodename": ["a"], "release": ["6.1.0"]}),
            "node_filesystem_readonly": (0, _MOUNTS),
            "node_network_up": (1, _NETS),
            "up": (1, {}),
        },
        moment={"node_boot_time_seconds": (1, {}), "node_time_seconds": (1, {})},
    ),
    _queries("node_exporter"),
)

_PODS: Dimensions = {
    "namespace": ["shop", "kube-system"],
    "pod": ["cart-5d8f7-abcde", "cart-5d8f7-fghij", "coredns-1"],
    "container": ["app", "POD"],
    "cluster": [""],
}
_DEPLOYMENTS: Dimensions = {"namespace": ["shop", "kube-system"], "deployment": ["cart", "coredns"]}
_VERBS: Dimensions = {"verb": ["GET", "LIST", "POST", "WATCH"], "code": ["200", "404", "500"]}

KUBERNETES = Dashboard(
    "Kubernetes / Compute Resources",
    _families(
        {"job": ["kubelet"], "instance": ["10.0.0.1:10250"]},
        counter={
            "container_cpu_usage_seconds_total": (0.1, {**_PODS, "image": ["registry/app:1"]}),
            "container_cpu_cfs_throttled_periods_total": (1, _PODS),
            "container_cpu_cfs_periods_total": (1, _PODS),
            "container_network_receive_bytes_total": (1e4, _PODS),
            "container_fs_reads_total": (1, {**_PODS, "device": ["/dev/sda"]}),
            "kube_pod_container_status_restarts_total": (0.01, _PODS),
            "apiserver_request_total": (1, _VERBS),
        },
        gauge={
            "container_memory_working_set_bytes": (1e8, {**_PODS, "image": ["registry/app:1"]}),
            "container_memory_rss": (1e8, _PODS),
            "kubelet_volume_stats_available_bytes": (1e10, {"persistentvolumeclaim": ["data"]}),
            "kubelet_volume_stats_capacity_bytes": (2e10, {"persistentvolumeclaim": ["data"]}),
        },
        constant={
            "kube_pod_container_resource_requests": (0.25, {**_PODS, "resource": ["cpu", "memory"]}),
            "kube_pod_container_resource_limits": (0.5, {**_PODS, "resource": ["cpu", "memory"]}),
            "kube_pod_info": (1, {"pod": _PODS["pod"], "namespace": _PODS["namespace"], "node": ["n1"]}),
            "kube_deployment_status_replicas_available": (2, _DEPLOYMENTS),
            "kube_deployment_spec_replicas": (2, _DEPLOYMENTS),
            "kube_pod_status_phase": (1, {"pod": _PODS["pod"], "phase": ["Running", "Pending"]}),
            "kube_node_status_condition": (1, {"node": ["n1", "n2"], "condition": ["Ready"], "status": ["true"]}),
        },
        histogram={"apiserver_request_duration_seconds": (1, {"verb": ["GET", "LIST"]})},
    ),
    _queries("kubernetes"),
)

NGINX = Dashboard(
    "NGINX Ingress",
    _families(
        {"instance": ["ingress:10254"], "job": ["nginx"], "controller_class": ["k8s.io/ingress-nginx"]},
        counter={
            "nginx_ingress_controller_requests": (
                1,
                {"ingress": ["shop", "blog"], "status": ["200", "302", "404", "500", "503"], "method": ["GET", "POST"]},
            ),
            "nginx_http_requests_total": (1, {}),
            "nginx_connections_accepted": (1, {}),
            "nginx_connections_handled": (1, {}),
        },
        gauge={
            "nginx_connections_active": (40, {}),
            "nginx_ingress_controller_nginx_process_connections": (100, {"state": ["active", "reading"]}),
        },
        constant={"nginx_up": (1, {}), "nginx_ingress_controller_config_last_reload_successful": (1, {})},
        histogram={"nginx_ingress_controller_request_duration_seconds": (1, {"ingress": ["shop", "blog"]})},
    ),
    _queries("nginx_ingress"),
)

_DATABASES: Dimensions = {"datname": ["shop", "postgres", "template0"]}

_PER_DATABASE: tuple[float, Dimensions] = (1.0, _DATABASES)

POSTGRES = Dashboard(
    "PostgreSQL Database",
    _families(
        {"instance": ["db:9187"], "job": ["postgres"]},
        counter=dict.fromkeys(
            (
                "pg_stat_database_xact_commit",
                "pg_stat_database_xact_rollback",
                "pg_stat_database_blks_hit",
                "pg_stat_database_blks_read",
                "pg_stat_database_tup_fetched",
                "pg_stat_database_tup_returned",
                "pg_stat_database_tup_inserted",
                "pg_stat_database_tup_updated",
                "pg_stat_database_tup_deleted",
                "pg_stat_database_conflicts",
                "pg_stat_database_deadlocks",
                "pg_stat_database_temp_bytes",
            ),
            _PER_DATABASE,
        )
        | {"pg_stat_bgwriter_buffers_alloc": (1, {}), "pg_stat_bgwriter_checkpoint_write_time": (5, {})},
        gauge={
            "pg_stat_activity_count": (20, {**_DATABASES, "state": ["active", "idle", "idle in transaction"]}),
            "pg_stat_activity_max_tx_duration": (5, {**_DATABASES, "state": ["active"]}),
            "pg_locks_count": (5, {**_DATABASES, "mode": ["accesssharelock", "exclusivelock"]}),
            "pg_database_size_bytes": (1e10, _DATABASES),
            "process_resident_memory_bytes": (1e8, {}),
        },
        constant={
            "pg_settings_max_connections": (100, {}),
            "pg_settings_shared_buffers_bytes": (1.34e8, {}),
            "pg_static": (1, {"version": ["15.4"], "short_version": ["15.4.0"]}),
            "pg_up": (1, {}),
        },
        moment={"pg_postmaster_start_time_seconds": (1, {}), "process_start_time_seconds": (1, {})},
    ),
    _queries("postgresql"),
)

REDIS = Dashboard(
    "Redis",
    _families(
        {"instance": ["redis-1:9121", "redis-2:9121"], "job": ["redis"]},
        counter={
            "redis_commands_processed_total": (1, {}),
            "redis_keyspace_hits_total": (1, {}),
            "redis_keyspace_misses_total": (1, {}),
            "redis_net_input_bytes_total": (1e4, {}),
            "redis_net_output_bytes_total": (1e4, {}),
            "redis_expired_keys_total": (1, {}),
            "redis_evicted_keys_total": (1, {}),
            "redis_commands_total": (1, {"cmd": ["get", "set", "hgetall", "expire", "ping", "info"]}),
            "redis_commands_duration_seconds_total": (0.001, {"cmd": ["get", "set", "hgetall", "expire"]}),
        },
        gauge={
            "redis_connected_clients": (50, {}),
            "redis_memory_used_bytes": (1e9, {}),
            "redis_db_keys": (1000, {"db": ["db0", "db1"]}),
            "redis_db_keys_expiring": (100, {"db": ["db0", "db1"]}),
            "redis_uptime_in_seconds": (1e6, {}),
        },
        constant={"redis_memory_max_bytes": (2e9, {}), "redis_up": (1, {}), "redis_blocked_clients": (0, {})},
    ),
    _queries("redis"),
)

_APPS: Dimensions = {"instance": ["app-1:8080", "app-2:8080"], "job": ["app"]}

GO = Dashboard(
    "Go runtime",
    _families(
        _APPS,
        counter={
            "go_memstats_alloc_bytes_total": (1e6, {}),
            "go_memstats_mallocs_total": (1000, {}),
            "go_memstats_frees_total": (1000, {}),
            "process_cpu_seconds_total": (0.05, {}),
        },
        gauge={
            "go_goroutines": (80, {}),
            "go_threads": (12, {}),
            "go_memstats_alloc_bytes": (2e7, {}),
            "go_memstats_heap_inuse_bytes": (2e7, {}),
            "go_memstats_heap_idle_bytes": (2e7, {}),
            "go_memstats_next_gc_bytes": (4e7, {}),
            "process_open_fds": (60, {}),
            "process_virtual_memory_bytes": (1e9, {}),
        },
        constant={"process_max_fds": (1024, {}), "go_info": (1, {"version": ["go1.21.1"]})},
        moment={"go_memstats_last_gc_time_seconds": (1, {})},
        summary={"go_gc_duration_seconds": (0.001, {})},
    ),
    _queries("go_runtime"),
)

_AREAS: Dimensions = {"area": ["heap", "nonheap"], "id": ["G1 Eden Space", "G1 Old Gen", "Metaspace"]}

JVM = Dashboard(
    "JVM (Micrometer)",
    _families(
        {"application": ["shop"], "instance": ["jvm-1:8080", "jvm-2:8080"], "job": ["jvm"]},
        counter={
            "jvm_gc_memory_allocated_bytes_total": (1e6, {}),
            "jvm_gc_memory_promoted_bytes_total": (1e5, {}),
            "jvm_classes_unloaded_classes_total": (1, {}),
            "logback_events_total": (1, {"level": ["info", "warn", "error", "debug", "trace"]}),
            "jvm_gc_pause_seconds_sum": (0.01, {"action": ["end of minor GC"], "cause": ["G1 Evacuation Pause"]}),
            "jvm_gc_pause_seconds_count": (1, {"action": ["end of minor GC"], "cause": ["G1 Evacuation Pause"]}),
        },
        gauge={
            "jvm_memory_used_bytes": (1e8, _AREAS),
            "jvm_memory_committed_bytes": (2e8, _AREAS),
            "jvm_memory_max_bytes": (4e8, _AREAS),
            "jvm_threads_live_threads": (40, {}),
            "jvm_threads_states_threads": (10, {"state": ["runnable", "blocked", "timed-waiting"]}),
            "jvm_gc_pause_seconds_max": (0.1, {"action": ["end of minor GC"]}),
            "system_cpu_usage": (1, {}),
            "process_cpu_usage": (1, {}),
            "hikaricp_connections_active": (10, {"pool": ["main"]}),
            "tomcat_threads_busy_threads": (20, {}),
        },
        constant={"system_cpu_count": (4, {})},
        moment={"process_start_time_seconds": (1, {})},
        histogram={
            "http_server_requests_seconds": (
                1,
                {"uri": ["/", "/cart", "/actuator/health"], "status": ["200", "500"], "method": ["GET"]},
            )
        },
    ),
    _queries("jvm_micrometer"),
)

_CLUSTERS: Dimensions = {"envoy_cluster_name": ["shop", "payments", "xds_cluster"]}

ENVOY = Dashboard(
    "Envoy",
    _families(
        {"instance": ["envoy:9901"], "job": ["envoy"]},
        counter={
            "envoy_cluster_upstream_rq_total": (1, _CLUSTERS),
            "envoy_cluster_upstream_rq_xx": (
                1,
                {**_CLUSTERS, "envoy_response_code_class": ["2", "3", "4", "5"]},
            ),
            "envoy_cluster_upstream_rq_retry": (1, _CLUSTERS),
            "envoy_cluster_upstream_rq_timeout": (1, _CLUSTERS),
            "envoy_cluster_upstream_cx_connect_fail": (1, _CLUSTERS),
            "envoy_cluster_upstream_cx_rx_bytes_total": (1e4, _CLUSTERS),
            "envoy_http_downstream_rq_total": (1, {"envoy_http_conn_manager_prefix": ["ingress", "admin"]}),
            "envoy_http_downstream_rq_xx": (
                1,
                {"envoy_http_conn_manager_prefix": ["ingress"], "envoy_response_code_class": ["2", "5"]},
            ),
        },
        gauge={
            "envoy_cluster_membership_healthy": (3, _CLUSTERS),
            "envoy_cluster_membership_total": (3, _CLUSTERS),
            "envoy_cluster_upstream_cx_active": (30, _CLUSTERS),
            "envoy_http_downstream_cx_active": (40, {"envoy_http_conn_manager_prefix": ["ingress", "admin"]}),
            "envoy_server_memory_allocated": (5e7, {}),
            "envoy_server_uptime": (1e5, {}),
        },
        constant={"envoy_server_live": (1, {})},
        histogram={"envoy_cluster_upstream_rq_time": (100, _CLUSTERS)},
    ),
    _queries("envoy"),
)

_TARGETS: Dimensions = {"instance": ["https://shop.example", "https://blog.example"], "job": ["blackbox"]}

BLACKBOX = Dashboard(
    "Blackbox Exporter",
    _families(
        _TARGETS,
        gauge={
            "probe_duration_seconds": (0.3, {}),
            "probe_http_duration_seconds": (0.2, {"phase": ["connect", "processing", "resolve", "tls", "transfer"]}),
            "probe_dns_lookup_time_seconds": (0.02, {}),
        },
        constant={
            "probe_success": (1, {}),
            "probe_http_status_code": (200, {}),
            "probe_http_ssl": (1, {}),
            "probe_http_version": (1.1, {}),
            "probe_tls_version_info": (1, {"version": ["TLS 1.3"]}),
        },
        moment={"probe_ssl_earliest_cert_expiry": (1, {})},
    ),
    _queries("blackbox"),
)

_QUEUES: Dimensions = {"vhost": ["/"], "queue": ["orders", "mails", "dead"]}

RABBITMQ = Dashboard(
    "RabbitMQ Overview",
    _families(
        {"instance": ["rabbit-0:15692", "rabbit-1:15692"], "job": ["rabbitmq"]},
        counter={
            "rabbitmq_global_messages_received_total": (1, {"protocol": ["amqp091", "mqtt310"]}),
            "rabbitmq_global_messages_delivered_total": (1, {"protocol": ["amqp091"]}),
            "rabbitmq_global_messages_redelivered_total": (1, {"protocol": ["amqp091"]}),
            "rabbitmq_global_messages_acknowledged_total": (1, {"protocol": ["amqp091"]}),
            "rabbitmq_connections_opened_total": (1, {}),
            "rabbitmq_connections_closed_total": (1, {}),
        },
        gauge={
            "rabbitmq_queue_messages_ready": (1000, _QUEUES),
            "rabbitmq_queue_messages_unacked": (100, _QUEUES),
            "rabbitmq_connections": (30, {}),
            "rabbitmq_channels": (60, {}),
            "rabbitmq_process_resident_memory_bytes": (2e8, {}),
            "rabbitmq_disk_space_available_bytes": (2e10, {}),
        },
        constant={
            "rabbitmq_identity_info": (1, {"rabbitmq_cluster": ["rabbit"], "rabbitmq_node": ["rabbit@0"]}),
            "rabbitmq_resident_memory_limit_bytes": (8e8, {}),
            "rabbitmq_build_info": (1, {"erlang_version": ["25.3"], "rabbitmq_version": ["3.12.1"]}),
        },
    ),
    _queries("rabbitmq"),
)

DASHBOARDS = (NODE, KUBERNETES, NGINX, POSTGRES, REDIS, GO, JVM, ENVOY, BLACKBOX, RABBITMQ)
