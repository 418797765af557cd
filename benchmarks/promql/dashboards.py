"""What ten well-known Grafana dashboards ask, their variables filled in, and the series that they ask for."""

from __future__ import annotations

from dataclasses import dataclass

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


def _queries(text: str, **variables: str) -> tuple[str, ...]:
    for name, value in variables.items():
        text = text.replace(f"${name}", value)
    return tuple(line.strip() for line in text.strip().splitlines() if line.strip())


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
    _queries(
        r"""
        (sum by(instance) (irate(node_cpu_seconds_total{instance="$node",job="$job", mode!="idle"}[$i])) / on(instance) group_left sum by (instance)((irate(node_cpu_seconds_total{instance="$node",job="$job"}[$i])))) * 100
        100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle", instance="$node"}[$i])))
        avg(node_load1{instance="$node",job="$job"}) /  count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu)) * 100
        scalar(node_load1{instance="$node",job="$job"}) * 100 / count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu))
        scalar(node_load5{instance="$node"}) * 100 / count(count by (cpu) (node_cpu_seconds_total{instance="$node"}))
        ((node_memory_MemTotal_bytes{instance="$node",job="$job"} - node_memory_MemFree_bytes{instance="$node",job="$job"}) / (node_memory_MemTotal_bytes{instance="$node",job="$job"} )) * 100
        100 - ((node_memory_MemAvailable_bytes{instance="$node"} * 100) / node_memory_MemTotal_bytes{instance="$node"})
        (1 - (node_memory_MemAvailable_bytes{instance="$node", job="$job"} / node_memory_MemTotal_bytes{instance="$node", job="$job"})) * 100
        ((node_memory_SwapTotal_bytes{instance="$node"} - node_memory_SwapFree_bytes{instance="$node"}) / (node_memory_SwapTotal_bytes{instance="$node"} )) * 100
        100 - ((node_filesystem_avail_bytes{instance="$node",job="$job",mountpoint="/",fstype!="rootfs"} * 100) / node_filesystem_size_bytes{instance="$node",job="$job",mountpoint="/",fstype!="rootfs"})
        node_time_seconds{instance="$node",job="$job"} - node_boot_time_seconds{instance="$node",job="$job"}
        count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu))
        sum by (instance)(irate(node_cpu_seconds_total{mode="system",instance="$node",job="$job"}[$i])) * 100
        sum(irate(node_cpu_seconds_total{instance="$node",job="$job", mode="system"}[$i])) / scalar(count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu)))
        sum(irate(node_cpu_seconds_total{instance="$node",job="$job", mode=~".*irq"}[$i])) / scalar(count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu)))
        sum by (instance)(irate(node_cpu_seconds_total{mode!='idle',mode!='user',mode!='system',mode!='iowait',mode!='irq',mode!='softirq',instance="$node"}[5m])) * 100
        node_memory_MemTotal_bytes{instance="$node"} - node_memory_MemFree_bytes{instance="$node"} - (node_memory_Cached_bytes{instance="$node"} + node_memory_Buffers_bytes{instance="$node"} + node_memory_SReclaimable_bytes{instance="$node"})
        node_memory_Cached_bytes{instance="$node"} + node_memory_Buffers_bytes{instance="$node"} + node_memory_SReclaimable_bytes{instance="$node"}
        irate(node_network_receive_bytes_total{instance="$node",job="$job"}[$i])*8
        irate(node_network_transmit_bytes_total{instance="$node",job="$job"}[$i])*8
        rate(node_network_receive_errs_total{instance="$node",device!~"lo|veth.*"}[$i])
        sum by (device) (increase(node_network_receive_drop_total{instance="$node"}[1h]))
        irate(node_disk_reads_completed_total{instance="$node",job="$job",device=~"[a-z]+|nvme[0-9]+n[0-9]+"}[$i])
        irate(node_disk_writes_completed_total{instance="$node",device=~"[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+"}[$i])
        irate(node_disk_read_time_seconds_total{instance="$node"}[$i]) / irate(node_disk_reads_completed_total{instance="$node"}[$i])
        rate(node_disk_write_time_seconds_total[$i]) / rate(node_disk_writes_completed_total[$i])
        irate(node_disk_io_time_seconds_total{instance="$node",job="$job"} [$i])
        node_filesystem_size_bytes{instance="$node",device!~'rootfs'} - node_filesystem_avail_bytes{instance="$node",device!~'rootfs'}
        node_filesystem_files_free{instance="$node",device!~'rootfs'} / node_filesystem_files{instance="$node"}
        predict_linear(node_filesystem_avail_bytes{job="$job",fstype!~"tmpfs"}[1h], 4*3600) < 0
        node_filesystem_readonly{instance="$node",device!~'rootfs'}
        irate(node_context_switches_total{instance="$node"}[$i])
        irate(node_intr_total{instance="$node"}[$i])
        node_hwmon_temp_celsius{instance="$node"} * on(chip) group_left(instance) node_hwmon_temp_celsius{instance="$node", sensor="temp1"}
        node_systemd_units{instance="$node",state="failed"}
        rate(node_pressure_cpu_waiting_seconds_total{instance="$node"}[$i])
        sum(rate(node_vmstat_pswpin[$i]) + rate(node_vmstat_pgmajfault[$i])) by (instance)
        node_uname_info * on(instance) group_left() up
        up * on(instance) group_left(nodename, release) node_uname_info
        topk(3, sum by (instance, device) (rate(node_disk_read_bytes_total[$i])))
        max_over_time(node_load1{job="$job"}[30m])
        avg by (instance) (avg_over_time(node_procs_running[10m]))
        count(up{job="$job"} == 1) or vector(0)
        node_network_up{operstate="up",instance="$node"}
        """,
        node="alpha:9100",
        job="node",
        i="1m",
    ),
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
    _queries(
        r"""
        sum(rate(container_cpu_usage_seconds_total{container!="POD",image!="",namespace="$ns"}[$i])) by (pod)
        sum by (namespace, pod, container) (irate(container_cpu_usage_seconds_total{job="kubelet", image!=""}[$i])) * on (namespace, pod) group_left(node) topk by (namespace, pod) (1, max by(namespace, pod, node) (kube_pod_info{node!=""}))
        sum(container_memory_working_set_bytes{namespace="$ns", container!="", image!=""}) by (pod)
        sum(container_memory_working_set_bytes{container!="POD"}) by (namespace) / sum(kube_pod_container_resource_requests{resource="memory"}) by (namespace)
        sum(rate(container_cpu_usage_seconds_total{namespace="$ns"}[$i])) by (pod) / sum(kube_pod_container_resource_limits{namespace="$ns", resource="cpu"}) by (pod)
        sum(increase(container_cpu_cfs_throttled_periods_total{namespace="$ns", container!=""}[$i])) by (container) /sum(increase(container_cpu_cfs_periods_total{namespace="$ns", container!=""}[$i])) by (container)
        sum(increase(container_cpu_cfs_throttled_periods_total{container!=""}[5m])) by (pod) / sum(increase(container_cpu_cfs_periods_total[5m])) by (pod) > ( 25 / 100 )
        sum(irate(container_network_receive_bytes_total{namespace=~".+"}[$i])) by (namespace)
        ceil(sum by(namespace) (rate(container_fs_reads_total{container!="", device=~"(/dev/)?(mmcblk.p.+|nvme.+|sd.+)"}[5m])))
        rate(kube_pod_container_status_restarts_total[10m]) * 60 * 5 > 0
        increase(kube_pod_container_status_restarts_total{namespace="$ns"}[1h])
        kube_deployment_status_replicas_available != kube_deployment_spec_replicas
        (kube_deployment_spec_replicas{job="kubelet"} > kube_deployment_status_replicas_available{job="kubelet"}) and (changes(kube_deployment_status_replicas_available[10m]) == 0)
        sum by (namespace, pod) (max by(namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown"}) * on(pod) group_left() max by(pod) (kube_pod_info)) > 0
        count(kube_node_status_condition{condition="Ready",status="true"} == 1)
        sum(kube_pod_status_phase) by (phase)
        1 - sum(rate(apiserver_request_total{code=~"5.."}[$i])) / sum(rate(apiserver_request_total[$i]))
        sum by (code) (rate(apiserver_request_total{verb!="WATCH"}[$i]))
        histogram_quantile(0.99, sum by (le, verb) (rate(apiserver_request_duration_seconds_bucket{verb!="WATCH"}[$i])))
        histogram_quantile(0.9, rate(apiserver_request_duration_seconds_bucket[5m]))
        sum(rate(apiserver_request_duration_seconds_sum[$i])) by (verb) / sum(rate(apiserver_request_duration_seconds_count[$i])) by (verb)
        sum(rate(apiserver_request_duration_seconds_bucket{le="0.5"}[$i])) / sum(rate(apiserver_request_duration_seconds_count[$i]))
        kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.15 and predict_linear(kubelet_volume_stats_available_bytes[1h], 4 * 24 * 3600) < 0
        label_replace(kube_pod_info, "workload", "$1", "pod", "^(.*)-[^-]+-[^-]+$")
        sum by (workload) (label_replace(container_memory_rss, "workload", "$1", "pod", "^(.*?)-.*$"))
        absent(up{job="kubelet"})
        quantile(0.95, sum by (pod) (rate(container_cpu_usage_seconds_total[5m])))
        """,
        ns="shop",
        i="5m",
    ),
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
    _queries(
        r"""
        round(sum(irate(nginx_ingress_controller_requests{controller_class=~".*",ingress=~".*"}[2m])), 0.001)
        sum(avg_over_time(nginx_ingress_controller_nginx_process_connections{state="active"}[2m]))
        sum(rate(nginx_ingress_controller_requests{status!~"[4-5].*"}[2m])) / sum(rate(nginx_ingress_controller_requests[2m]))
        sum(rate(nginx_ingress_controller_requests{ingress=~"shop|blog",status!~"[4-5].*"}[2m])) by (ingress) / sum(rate(nginx_ingress_controller_requests{ingress=~"shop|blog"}[2m])) by (ingress)
        avg(irate(nginx_ingress_controller_config_last_reload_successful[1m]))
        count(nginx_ingress_controller_config_last_reload_successful == 0) OR vector(0)
        histogram_quantile(0.50, sum(rate(nginx_ingress_controller_request_duration_seconds_bucket{ingress!=""}[2m])) by (le, ingress))
        histogram_quantile(0.90, sum(rate(nginx_ingress_controller_request_duration_seconds_bucket{ingress!=""}[2m])) by (le, ingress))
        histogram_quantile(0.99, sum(rate(nginx_ingress_controller_request_duration_seconds_bucket{ingress!=""}[2m])) by (le, ingress))
        sum(increase(nginx_ingress_controller_request_duration_seconds_bucket[5m])) by (le)
        nginx_connections_accepted - nginx_connections_handled
        irate(nginx_http_requests_total{instance=~"ingress.*"}[5m])
        nginx_up
        sort_desc(sum by (ingress, status) (increase(nginx_ingress_controller_requests[10m])))
        sum(rate(nginx_ingress_controller_requests[5m])) by (status) / ignoring(status) group_left sum(rate(nginx_ingress_controller_requests[5m]))
        """
    ),
)

_DATABASES: Dimensions = {"datname": ["shop", "postgres", "template0"]}

POSTGRES = Dashboard(
    "PostgreSQL Database",
    _families(
        {"instance": ["db:9187"], "job": ["postgres"]},
        counter={
            name: (1, _DATABASES)
            for name in (
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
            )
        }
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
    _queries(
        r"""
        pg_static{instance="$n"}
        pg_postmaster_start_time_seconds{instance="$n"} * 1000
        SUM(pg_stat_database_tup_fetched{datname=~"shop|postgres", instance=~"$n"})
        sum(irate(pg_stat_database_xact_commit{instance="$n"}[5m])) + sum(irate(pg_stat_database_xact_rollback{instance="$n"}[5m]))
        irate(pg_stat_database_xact_commit{instance="$n", datname=~"shop"}[5m])
        pg_stat_database_blks_hit{instance="$n", datname=~".+"} / (pg_stat_database_blks_read{instance="$n"} + pg_stat_database_blks_hit{instance="$n"})
        sum(rate(pg_stat_database_blks_hit[5m])) by (datname) / (sum(rate(pg_stat_database_blks_hit[5m])) by (datname) + sum(rate(pg_stat_database_blks_read[5m])) by (datname))
        pg_stat_activity_count{datname=~"shop|postgres", instance=~"$n", state="active"} !=0
        pg_stat_activity_count{state=~"idle|idle in transaction|idle in transaction (aborted)"}
        sum(pg_stat_activity_count) by (state) / on() group_left() pg_settings_max_connections * 100
        sum by (instance) (pg_stat_activity_count) > on(instance) pg_settings_max_connections * 0.8
        pg_locks_count != 0
        max by (mode) (pg_locks_count)
        topk(2, pg_database_size_bytes)
        irate(pg_stat_database_temp_bytes{instance="$n"}[5m])
        irate(pg_stat_database_conflicts[5m]) > 0
        increase(pg_stat_database_deadlocks{datname!~"template.*|postgres"}[1m]) > 5
        pg_settings_shared_buffers_bytes{instance="$n"}
        irate(pg_stat_bgwriter_checkpoint_write_time[5m])
        rate(pg_stat_database_tup_inserted[5m]) + rate(pg_stat_database_tup_updated[5m]) + rate(pg_stat_database_tup_deleted[5m])
        avg(rate(process_cpu_seconds_total{release="x", instance="$n"}[5m]) * 1000)
        deriv(pg_database_size_bytes[30m])
        max(pg_stat_activity_max_tx_duration{state!~"idle.*"}) by (datname) > bool 4
        time() - pg_postmaster_start_time_seconds
        """,
        n="db:9187",
    ),
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
    _queries(
        r"""
        max(max_over_time(redis_uptime_in_seconds{instance=~"$n"}[$i]))
        sum(redis_connected_clients{instance=~"$n"})
        sum(100 * (redis_memory_used_bytes{instance=~"$n"}  / redis_memory_max_bytes{instance=~"$n"} ))
        sum(rate(redis_commands_processed_total{instance=~"$n"}[1m])) by (instance)
        sum(rate(redis_commands_total{instance=~"$n"} [1m])) by (cmd)
        irate(redis_keyspace_hits_total{instance=~"$n"}[5m])
        sum(rate(redis_keyspace_hits_total[1m])) / (sum(rate(redis_keyspace_hits_total[1m])) + sum(rate(redis_keyspace_misses_total[1m])))
        sum(rate(redis_net_input_bytes_total{instance=~"$n"}[1m]))
        -sum(rate(redis_net_output_bytes_total{instance=~"$n"}[1m]))
        sum (redis_db_keys{instance=~"$n"}) by (db, instance)
        sum (redis_db_keys{instance=~"$n"}) by (instance) - sum (redis_db_keys_expiring{instance=~"$n"}) by (instance)
        sum(rate(redis_expired_keys_total{instance=~"$n"}[1m])) by (instance)
        sum(irate(redis_commands_duration_seconds_total{instance =~ "$n"}[1m])) by (cmd) / sum(irate(redis_commands_total{instance =~ "$n"}[1m])) by (cmd)
        topk(5, irate(redis_commands_total{instance=~"$n"} [1m]))
        bottomk(2, sum by (cmd) (rate(redis_commands_total[5m])))
        redis_blocked_clients or on() vector(0)
        redis_memory_used_bytes{instance=~"$n"} / 2^20
        count(redis_up == 1) / count(redis_up) * 100
        delta(redis_connected_clients[5m])
        """,
        n="redis-.*",
        i="5m",
    ),
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
    _queries(
        r"""
        rate(process_cpu_seconds_total{job="app"}[$i])
        go_memstats_alloc_bytes{job="app"}
        rate(go_memstats_alloc_bytes_total{job="app"}[$i])
        deriv(go_memstats_alloc_bytes{job="app"}[$i])
        process_open_fds{job="app"} / process_max_fds
        deriv(process_open_fds{job="app"}[10m])
        go_goroutines{job="app"}
        deriv(go_goroutines{job="app"}[$i])
        go_gc_duration_seconds{job="app"}
        go_gc_duration_seconds{quantile="0.75"} - ignoring(quantile) go_gc_duration_seconds{quantile="0.25"}
        rate(go_gc_duration_seconds_sum[$i]) / rate(go_gc_duration_seconds_count[$i])
        irate(go_gc_duration_seconds_count{job="app"}[$i])
        go_memstats_heap_inuse_bytes + on(instance, job) go_memstats_heap_idle_bytes
        rate(go_memstats_mallocs_total[$i]) - rate(go_memstats_frees_total[$i])
        time() - go_memstats_last_gc_time_seconds
        max by (job) (go_threads)
        count by (version) (go_info)
        stddev(go_goroutines)
        go_memstats_next_gc_bytes - go_memstats_heap_inuse_bytes > 0
        """,
        i="5m",
    ),
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
    _queries(
        r"""
        (time() - process_start_time_seconds{application="$a", instance="$n"})
        sum(jvm_memory_used_bytes{application="$a", instance="$n", area="heap"})*100/sum(jvm_memory_max_bytes{application="$a",instance="$n", area="heap"})
        sum(jvm_memory_used_bytes{application="$a", instance="$n", area="nonheap"})
        sum(rate(http_server_requests_seconds_count{application="$a", instance="$n"}[1m]))
        sum(rate(http_server_requests_seconds_count{application="$a", instance="$n", status=~"5.."}[1m]))
        sum(rate(http_server_requests_seconds_sum{application="$a", instance="$n", status!~"5.."}[1m]))/sum(rate(http_server_requests_seconds_count{application="$a", instance="$n", status!~"5.."}[1m]))
        histogram_quantile(0.95, sum(rate(http_server_requests_seconds_bucket{uri!~".*actuator.*"}[5m])) by (le, uri))
        histogram_quantile(0.999, sum(rate(http_server_requests_seconds_bucket[5m])) by (le))
        sum by (uri) (increase(http_server_requests_seconds_count{status=~"5.."}[5m])) / sum by (uri) (increase(http_server_requests_seconds_count[5m]))
        sum(http_server_requests_seconds_bucket{le="0.5"}) by (uri) / ignoring(le) sum(http_server_requests_seconds_count) by (uri)
        system_cpu_usage{application="$a", instance="$n"}
        avg_over_time(process_cpu_usage{application="$a", instance="$n"}[15m])
        jvm_threads_states_threads{application="$a", instance="$n"}
        sum by (state) (jvm_threads_states_threads)
        increase(logback_events_total{application="$a", instance="$n", level="error"}[1m])
        sum by (level) (increase(logback_events_total{level=~"warn|error"}[5m]))
        rate(jvm_gc_pause_seconds_count{application="$a", instance="$n"}[1m])
        rate(jvm_gc_pause_seconds_sum{application="$a"}[1m])/rate(jvm_gc_pause_seconds_count{application="$a"}[1m])
        max_over_time(jvm_gc_pause_seconds_max[10m])
        rate(jvm_gc_memory_allocated_bytes_total{application="$a", instance="$n"}[1m])
        jvm_memory_used_bytes{application="$a", id=~"G1.*"}
        jvm_memory_committed_bytes - jvm_memory_used_bytes
        delta(jvm_classes_unloaded_classes_total{application="$a"}[1m])
        tomcat_threads_busy_threads / on(instance) group_left system_cpu_count
        max by (pool) (hikaricp_connections_active)
        """,
        a="shop",
        n="jvm-1:8080",
    ),
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
    _queries(
        r"""
        sum(envoy_server_live)
        avg(envoy_server_uptime)
        (sum(envoy_cluster_membership_healthy{envoy_cluster_name=~".*"}) - sum(envoy_cluster_membership_total{envoy_cluster_name=~".*"}))
        sum(rate(envoy_cluster_upstream_rq_total{envoy_cluster_name!~"xds_cluster"}[$i])) by (envoy_cluster_name)
        sum(rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}[$i])) by (envoy_cluster_name) / sum(rate(envoy_cluster_upstream_rq_total[$i])) by (envoy_cluster_name)
        (sum(rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class!~"5|4"}[$i])) / sum(rate(envoy_cluster_upstream_rq_xx[$i]))) * 100
        histogram_quantile(0.5, sum(rate(envoy_cluster_upstream_rq_time_bucket[$i])) by (le, envoy_cluster_name))
        histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop"}[$i])) by (le))
        sum(rate(envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="ingress"}[$i]))
        sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx[$i]))
        sum(envoy_cluster_upstream_cx_active) by (envoy_cluster_name)
        sum(irate(envoy_cluster_upstream_cx_rx_bytes_total[1m])) by (envoy_cluster_name)
        sum(increase(envoy_cluster_upstream_cx_connect_fail[10m])) by (envoy_cluster_name) > 0
        rate(envoy_cluster_upstream_rq_retry[$i]) / rate(envoy_cluster_upstream_rq_total[$i])
        rate(envoy_cluster_upstream_rq_timeout[$i]) unless on(envoy_cluster_name) (envoy_cluster_membership_healthy > 1000)
        envoy_cluster_membership_healthy / envoy_cluster_membership_total
        sum(rate(envoy_cluster_upstream_rq_time_sum[$i])) / sum(rate(envoy_cluster_upstream_rq_time_count[$i]))
        max(envoy_server_memory_allocated) by (instance)
        label_join(envoy_server_live, "who", "/", "job", "instance")
        """,
        i="2m",
    ),
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
    _queries(
        r"""
        probe_success{instance=~"$t"}
        avg(probe_success) by (job) * 100
        probe_duration_seconds{instance=~"$t"}
        avg(probe_duration_seconds) by (instance)
        sum(probe_http_duration_seconds{instance=~"$t"}) by (phase)
        sum by (instance) (probe_http_duration_seconds)
        probe_http_status_code{instance=~"$t"} > bool 399
        (probe_ssl_earliest_cert_expiry{instance=~"$t"} - time()) / 86400
        min(probe_ssl_earliest_cert_expiry - time()) by (instance)
        avg_over_time(probe_success[1h]) * 100
        avg(avg_over_time(probe_dns_lookup_time_seconds{instance=~"$t"}[5m]))
        probe_success == 0 or probe_http_status_code <= 199 or probe_http_status_code >= 400
        count(probe_success == 1) / count(probe_success)
        quantile_over_time(0.95, probe_duration_seconds[30m])
        stddev_over_time(probe_duration_seconds[30m]) / avg_over_time(probe_duration_seconds[30m])
        probe_tls_version_info * 0 + 1
        group by (version) (probe_tls_version_info)
        """,
        t="https://.*",
    ),
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
    _queries(
        r"""
        sum(rabbitmq_queue_messages_ready * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info{rabbitmq_cluster="rabbit"})
        sum(rabbitmq_queue_messages_unacked * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info{rabbitmq_cluster="rabbit"})
        sum(rate(rabbitmq_global_messages_received_total[60s]) * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info{rabbitmq_cluster="rabbit"})
        sum(rate(rabbitmq_global_messages_redelivered_total[60s]) * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info) + sum(rate(rabbitmq_global_messages_delivered_total[60s]) * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info)
        (rabbitmq_resident_memory_limit_bytes * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info) - (rabbitmq_process_resident_memory_bytes * on(instance) group_left(rabbitmq_cluster) rabbitmq_identity_info)
        rabbitmq_build_info * on(instance) group_left(rabbitmq_cluster, rabbitmq_node) rabbitmq_identity_info{rabbitmq_cluster="rabbit"}
        sum(rabbitmq_queue_messages_ready * on(instance) group_left(rabbitmq_cluster, rabbitmq_node) rabbitmq_identity_info) by(rabbitmq_node)
        sum(rate(rabbitmq_connections_opened_total[60s]) - rate(rabbitmq_connections_closed_total[60s])) by (instance)
        sum by (queue) (rabbitmq_queue_messages_ready + rabbitmq_queue_messages_unacked)
        topk(2, sum by (queue) (rabbitmq_queue_messages_ready))
        sum(rabbitmq_channels) - sum(rabbitmq_channels offset 5m)
        rabbitmq_connections / rabbitmq_channels
        predict_linear(rabbitmq_disk_space_available_bytes[1h], 86400) < rabbitmq_disk_space_available_bytes * 0.5
        avg by (queue) (max_over_time(rabbitmq_queue_messages_ready[15m]) - min_over_time(rabbitmq_queue_messages_ready[15m]))
        sum(increase(rabbitmq_global_messages_acknowledged_total[5m])) by (protocol) / 300
        """
    ),
)

DASHBOARDS = (NODE, KUBERNETES, NGINX, POSTGRES, REDIS, GO, JVM, ENVOY, BLACKBOX, RABBITMQ)
