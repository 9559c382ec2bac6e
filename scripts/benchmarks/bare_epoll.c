/* The least that a server must do: an epoll loop that answers every request with
 * the same bytes. Its time is that of the system calls; no server can be faster.
 *
 *   bare_epoll PORT
 *
 * A request must end with an empty line and have no body. After a request with
 * "Connection: close" the connection is closed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
    "Content-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n";

static void serve(int client) {
    char request[16384];
    ssize_t length = recv(client, request, sizeof request, 0);
    if (length <= 0) {
        close(client);
        return;
    }
    int last = memmem(request, length, "Connection: close", 17) != NULL;
    if (send(client, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0 || last)
        close(client);
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: bare_epoll PORT\n");
        return 2;
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(atoi(words[1])),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 2048) < 0) {
        perror("bare_epoll");
        return 1;
    }
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int client;
            while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = client};
                epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
            }
        }
    }
}
