/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/store.h"

const struct service_option store_options[] = {
    {"data-dir", OPTION_STRING, "", "DIR",
     "folder of the log and snapshots; unset: <run-dir>/store", 0, 0, NULL},
    {"redis", OPTION_STRING, "", "URL",
     "redis://[user:password@]host[:port][/db], unix:///path[?db=N] or "
     "redis+sentinel://[user:password@]host[:port],.../master[/db]"
     "[?sentinel_user=U&sentinel_password=P]; with TLS rediss:// or "
     "rediss+sentinel://; empty: the log alone",
     0, 0, NULL},
    {"redis-ca", OPTION_STRING, "", "FILE",
     "with TLS: whose signature on Redis' certificate is trusted (PEM); unset: "
     "what the system trusts",
     0, 0, NULL},
    {"redis-cert", OPTION_STRING, "", "FILE",
     "with TLS: our certificate, when Redis asks for one (PEM)", 0, 0, NULL},
    {"redis-key", OPTION_STRING, "", "FILE",
     "with TLS: its key (PEM); unset: it is in the same file", 0, 0, NULL},
    {"redis-insecure", OPTION_BOOL, "false", "",
     "with TLS: do not look at Redis' certificate; who is in between reads and "
     "changes all",
     0, 0, NULL},
    {"redis-prefix", OPTION_STRING, "reeve:", "TEXT",
     "start of every key in Redis", 0, 0, NULL},
    {"ack", OPTION_STRING, "wal+redis", "MODE",
     "when a transaction is answered: wal (synced to the log), wal+redis "
     "(also applied by Redis, while it is there) or wal+replica (also by a "
     "replica of it, never without)",
     0, 0, NULL},
    {"redis-timeout-ms", OPTION_INT, "2000", "ms",
     "silence after which Redis counts as away", 100, 600000, NULL},
    {"redis-wait-ms", OPTION_INT, "5000", "ms",
     "at start with a log: how long to wait for Redis before going on without",
     0, 600000, NULL},
    {"owner-ttl-ms", OPTION_INT, "10000", "ms",
     "life of the key in Redis that keeps a second store out", 500, 600000,
     NULL},
    {"standby", OPTION_BOOL, "false", "",
     "one of several stores of a suite: waits for the lease instead of leaving "
     "with code 10, and tells nothing that Redis does not hold; with --name, "
     "they may share a run dir",
     0, 0, NULL},
    {"election", OPTION_STRING, "", "URL",
     "zk://[user:password@]host:port[,host:port]/path: ZooKeeper decides which "
     "store is active; implies --standby; unset: the lease in Redis decides",
     0, 0, NULL},
    {"new-suite", OPTION_BOOL, "false", "",
     "with --standby: begins a new suite when there is none yet", 0, 0, NULL},
    {"prefer", OPTION_STRING, "", "COPY",
     "decides once when log and Redis contradict: log (overwrites Redis) or "
     "redis (sets the log aside)",
     0, 0, NULL},
    {"segment-kib", OPTION_INT, "16384", "KiB",
     "a new segment of the log is begun after so much", 4, 1048576, NULL},
    {"snapshot-log-kib", OPTION_INT, "65536", "KiB",
     "a snapshot is taken when the log is longer than this and than four times "
     "the last snapshot",
     16, 67108864, NULL},
    {"min-free-mib", OPTION_INT, "64", "MiB",
     "with less free disk, transactions are refused", 0, 1048576, NULL},
    {"reserve-mib", OPTION_INT, "8", "MiB",
     "disk kept back for what is under way when the disk is full", 1, 1024,
     NULL},
    {"queue-mib", OPTION_INT, "64", "MiB",
     "transactions and answers waiting for the disk; beyond, refused", 1, 4096,
     NULL},
    {"pub-queue", OPTION_INT, "50000", "events",
     "events kept for each slow subscriber before it loses some", 100, 10000000,
     NULL},
    {"pub-mib", OPTION_INT, "64", "MiB",
     "events waiting for slow subscribers; beyond, only small ones are "
     "published and large ones left to be asked for",
     1, 65536, NULL},
    {"keep-transactions", OPTION_INT, "16384", "count",
     "transactions kept for subscribers that missed some", 0, 10000000, NULL},
    {"keep-mib", OPTION_INT, "8", "MiB", "the same in bytes", 0, 65536, NULL},
    {"import", OPTION_STRING, "", "FILE",
     "make the state of a file from `reeve state export` a new store in an "
     "empty folder, and end",
     0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
