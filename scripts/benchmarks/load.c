/* A load generator: sends a number of requests over a number of connections, and
 * measures how long each takes.
 *
 *   load PORT CONNECTIONS REQUESTS close|keep PATH [BODY [SLOW]]
 *   load PORT CONNECTIONS SECONDS  idle|idle-ws PATH
 *   load PORT CONNECTIONS MESSAGES ws        PATH
 *
 * BODY is a number of bytes, or a file with a JSON document, and makes each request a
 * POST. Every connection has one request at a time. It prints one line:
 *   requests errors seconds p50_us p99_us bytes
 * With `idle` each connection sends one request and then stays open; the program
 * prints "ready", and waits for this many seconds or until it is killed. With `ws`
 * and `idle-ws` each connection is a WebSocket, and a request is a text message
 * of 32 bytes that is echoed (RFC 6455). SLOW is a number of further connections
 * that send one byte of a request each second, evenly spread; the program does not
 * wait for their answers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 8192, BLOCK = 262144, MESSAGE = 32, ECHO = 2 + MESSAGE };

/* The state of the answer to a connection's request. */
struct connection {
    int socket;
    int served; /* requests so far */
    uint64_t begun; /* nanoseconds; 0 without a request */
    char head[HEAD];
    size_t have;   /* bytes of the head, or of the end of a chunked body */
    int in_body;
    int64_t left;  /* bytes of the body; -1 for chunks, -2 until the connection ends */
    int closes;    /* the server closes after this answer */
};

static struct sockaddr_in address;
static int epoll, keep, idle, ws;
static char *request, block[BLOCK];
static size_t request_length;
static long wanted, begun, done, errors;
static uint64_t bytes;
static uint32_t *times; /* microseconds */

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Makes the connection a WebSocket, and reads the server's answer. */
static void shake_hands(struct connection *c) {
    static const char upgrade[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char answer[HEAD];
    size_t have = 0;
    if (send(c->socket, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL) < 0)
        fail("load: handshake");
    while (!memmem(answer, have, "\r\n\r\n", 4)) {
        ssize_t n = recv(c->socket, answer + have, sizeof answer - have, 0);
        if (n <= 0)
            fail("load: handshake");
        have += n;
    }
    if (memcmp(answer, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "load: no WebSocket: %.12s\n", answer);
        exit(1);
    }
}

static void dial(struct connection *c) {
    int one = 1;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0)
        fail("load: socket");
    c->served = 0;
    /* A port can be used again at once, as their number is limited. */
    struct linger linger = {1, 0};
    setsockopt(c->socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->socket, (struct sockaddr *)&address, sizeof address) < 0)
        fail("load: connect");
    if (ws)
        shake_hands(c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->socket, &event);
}

static void ask(struct connection *c) {
    if (begun >= wanted)
        return;
    begun++;
    c->begun = now();
    if (c->socket < 0)
        dial(c);
    c->have = c->in_body = c->closes = 0;
    for (size_t sent = 0; sent < request_length;) {
        ssize_t n = send(c->socket, request + sent, request_length - sent, MSG_NOSIGNAL);
        if (n < 0)
            return; /* an error shows in the answer */
        sent += n;
    }
}

static void finish(struct connection *c, int ok, int closed) {
    times[done] = (now() - c->begun) / 1000;
    done++;
    errors += !ok;
    c->served++;
    if (!keep || c->closes || !ok || closed) {
        close(c->socket);
        c->socket = -1;
    }
    c->begun = 0;
    if (!idle)
        ask(c);
}

/* Parses the head when it is complete. Returns its length, or 0 before that. */
static size_t head_length(struct connection *c) {
    c->head[c->have] = 0;
    char *end = memmem(c->head, c->have, "\r\n\r\n", 4), *field;
    if (!end)
        return 0;
    end[2] = 0;
    c->left = -2;
    if ((field = strcasestr(c->head, "\r\nContent-Length:")))
        c->left = atoll(field + 17);
    else if (strcasestr(c->head, "\r\nTransfer-Encoding:"))
        c->left = -1;
    c->closes = strcasestr(c->head, "\r\nConnection: close") || !strncmp(c->head, "HTTP/1.0", 8);
    return end + 4 - c->head;
}

static void receive(struct connection *c) {
    ssize_t n = recv(c->socket, block, BLOCK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 && !c->begun) { /* the server closed an idle connection */
        close(c->socket);
        c->socket = -1;
        return;
    }
    if (n <= 0 && c->served && !c->have && !c->in_body && !ws) {
        /* It was closed while the request was sent: a client tries again. */
        close(c->socket);
        c->socket = -1;
        begun--;
        ask(c);
        return;
    }
    if (n <= 0) {
        finish(c, c->in_body && c->left == -2, 1);
        return;
    }
    bytes += n;
    if (ws) {
        c->have += n;
        if (c->have >= ECHO)
            finish(c, c->have == ECHO && !memcmp(block + n - MESSAGE, request + 6, MESSAGE), 0);
        return;
    }
    char *data = block;
    if (!c->in_body) {
        size_t before = c->have, room = HEAD - 1 - c->have, part = (size_t)n < room ? (size_t)n : room;
        memcpy(c->head + c->have, data, part);
        c->have += part;
        size_t length = head_length(c);
        if (!length)
            return;
        int ok = !strncmp(c->head + 8, " 200", 4);
        if (!ok) {
            finish(c, 0, 1);
            return;
        }
        data += length - before;
        n -= length - before;
        c->in_body = 1;
        c->have = 0;
    }
    if (c->left >= 0) {
        c->left -= n;
        if (c->left <= 0)
            finish(c, c->left == 0, 0);
    } else if (c->left == -1) {
        /* The last chunk is empty: look for it in the last seven bytes. */
        char tail[14];
        size_t part = (size_t)n < 7 ? (size_t)n : 7;
        memcpy(tail, c->head, c->have);
        memcpy(tail + c->have, data + n - part, part);
        size_t total = c->have + part;
        if (total >= 5 && !memcmp(tail + total - 5, "0\r\n\r\n", 5)) {
            finish(c, 1, 0);
        } else {
            c->have = total < 7 ? total : 7;
            memcpy(c->head, tail + total - c->have, c->have);
        }
    }
}

/* The slow clients, connected one after the other because of the backlog. */
static int *swarm, slow;
static uint64_t swarm_begun;
static long swarm_sent;

static void gather_swarm(void) {
    swarm = calloc(slow, sizeof *swarm);
    for (int i = 0; i < slow; i++) {
        swarm[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (swarm[i] < 0 || connect(swarm[i], (struct sockaddr *)&address, sizeof address) < 0)
            fail("load: slow connection");
    }
    swarm_begun = now();
}

/* Sends the bytes that are due. */
static void dribble(void) {
    static const char head[] = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    long due = (now() - swarm_begun) / 1000 * slow / 1000000;
    for (; swarm_sent < due; swarm_sent++) {
        long place = swarm_sent / slow;
        int client = swarm[swarm_sent % slow];
        const char *byte = place < (long)sizeof head - 1 ? head + place : "x";
        if (send(client, byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            fprintf(stderr, "load: a slow connection was closed\n");
            exit(1);
        }
    }
}

/* Reads the file into the block. Returns its length. */
static size_t read_block(const char *file) {
    FILE *document = fopen(file, "rb");
    if (!document)
        fail(file);
    size_t length = fread(block, 1, BLOCK, document);
    fclose(document);
    if (!length || length == BLOCK) {
        fprintf(stderr, "load: %s must have 1 to %d bytes\n", file, BLOCK - 1);
        exit(1);
    }
    return length;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int count, char **words) {
    if (count < 6) {
        fprintf(stderr, "usage: load PORT CONNECTIONS REQUESTS close|keep|idle|ws|idle-ws PATH [BODY [SLOW]]\n");
        return 2;
    }
    int connections = atoi(words[2]), seconds = atoi(words[3]);
    idle = !strncmp(words[4], "idle", 4);
    size_t body = 0;
    const char *file = count > 6 && (words[6][0] < '0' || words[6][0] > '9') ? words[6] : NULL;
    if (file)
        body = read_block(file);
    else if (count > 6)
        body = atoi(words[6]);
    slow = count > 7 ? atoi(words[7]) : 0;
    wanted = idle ? connections : atol(words[3]);
    ws = !strcmp(words[4], "ws") || !strcmp(words[4], "idle-ws");
    keep = idle || ws || !strcmp(words[4], "keep");
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons(atoi(words[1])),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct rlimit files = {connections + slow + 100, connections + slow + 100};
    setrlimit(RLIMIT_NOFILE, &files);

    request = malloc(1024 + body);
    request_length = sprintf(request,
                             "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n%s",
                             body ? "POST" : "GET", words[5], keep ? "" : "Connection: close\r\n");
    if (body)
        request_length += sprintf(request + request_length,
                                  "Content-Type: application/%s\r\nContent-Length: %zu\r\n",
                                  file ? "json" : "octet-stream", body);
    request_length += sprintf(request + request_length, "\r\n");
    if (file)
        memcpy(request + request_length, block, body);
    else
        memset(request + request_length, 'x', body);
    request_length += body;

    if (ws) { /* a final text frame, masked with zeros */
        memset(request, 0, 6);
        request[0] = (char)0x81;
        request[1] = (char)(0x80 | MESSAGE);
        memset(request + 6, 'x', MESSAGE);
        request_length = 6 + MESSAGE;
    }

    times = calloc(wanted + 1, sizeof *times);
    struct connection *all = calloc(connections, sizeof *all);
    epoll = epoll_create1(0);
    if (slow)
        gather_swarm();
    uint64_t start = now();
    for (int i = 0; i < connections; i++) {
        all[i].socket = -1;
        ask(&all[i]);
        if (idle) { /* not all at once, because of the backlog */
            struct epoll_event event;
            long before = done;
            while (done == before && epoll_wait(epoll, &event, 1, 10000) > 0)
                receive(event.data.ptr);
        }
    }
    struct epoll_event events[512];
    while (done < wanted) {
        if (slow)
            dribble();
        int ready = epoll_wait(epoll, events, 512, 20000);
        if (ready <= 0) {
            fprintf(stderr, "load: no answer for 20 seconds; %ld of %ld requests done\n", done, wanted);
            return 1;
        }
        for (int i = 0; i < ready && done < wanted; i++)
            receive(events[i].data.ptr);
    }
    double took = (now() - start) / 1e9;
    if (idle) {
        printf("ready %ld\n", errors);
        fflush(stdout);
        sleep(seconds);
        return errors > 0;
    }
    qsort(times, done, sizeof *times, by_size);
    printf("%ld %ld %.6f %u %u %llu\n", done, errors, took, times[done / 2], times[done * 99 / 100],
           (unsigned long long)bytes);
    return 0;
}
