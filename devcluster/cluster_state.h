/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_state - what cluster.c and cluster_members.c share */
#ifndef REEVE_DEVCLUSTER_CLUSTER_STATE_H
#define REEVE_DEVCLUSTER_CLUSTER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devcluster/cluster.h"
#include "devcluster/cluster_files.h"
#include "proto/devcluster.pb-c.h"

#define MAX_MASTERS 5

struct agent;
struct agent_http;

/* A message held back while an agent hangs. */
struct held {
    ProtobufCMessage *message;
    bool to_agent;
    struct held *next;
};

/* A status update on its way for longer than usual. */
struct delayed {
    struct cluster *cluster;
    uint64_t link;
    uint64_t timer;
    ProtobufCMessage *message;
    struct delayed *prev, *next;
};

enum agent_mode {
    MODE_UP,
    MODE_PARTITIONED,
    MODE_HUNG,
    MODE_KILLED,
    MODE_LEFT, /* unregistered, or told to shut down */
    MODE_LOST, /* with its tasks and its disk */
};

struct member {
    struct cluster *cluster;
    size_t number;
    struct agent *agent;     /* NULL: killed */
    struct agent_http *http; /* its own endpoints */
    int port;
    uint64_t link; /* 0: none */
    enum agent_mode mode;
    struct held *held; /* oldest first */
};

struct cluster {
    struct loop *loop;
    struct cluster_config config; /* strings ours */
    struct master *master;
    struct http_auth *auth;
    struct http *https[MAX_MASTERS];
    struct http *http; /* the one of them that leads */
    struct member *members;
    size_t count;
    struct cluster_ports ports;
    uint64_t next_link;
    uint64_t tick_timer;
    bool flushing;
    int64_t update_delay_ms;
    unsigned update_repeats;
    uint64_t lose[2]; /* by enum cluster_lost: so many more */
    struct delayed *delayed;
};

/* ---- cluster.c ---------------------------------------------------------- */
/* What an agent says; self is its member. */
void cluster_agent_message(void *self, struct agent *agent,
                           const Reeve__Devcluster__ToMaster *message);
void cluster_hand_over(struct member *member,
                       const Reeve__Devcluster__ToAgent *message);

/* ---- cluster_members.c -------------------------------------------------- */
/* Listens and starts; nothing is said to the master yet. */
int member_open(struct cluster *cluster, size_t number, struct err *err);
void member_connect(struct member *member);
void member_drop_held(struct member *member);
void member_close(struct member *member);

#endif
