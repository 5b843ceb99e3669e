/* Sockets of every family, and addresses of this machine. */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stddef.h>
static void with(const char *what, int family, int kind, int protocol, const void *address, socklen_t length) {
    int fd = socket(family, kind, protocol);
    if (fd >= 0 && address && connect(fd, address, length) == 0) printf("%s: REACHED\n", what);
    came_of(what, fd);
    close(fd);
}
int main(int argc, char **argv) {
    struct sockaddr_in four = { AF_INET, htons(22), { htonl(INADDR_LOOPBACK) }, "" };
    with("IPv4", AF_INET, SOCK_STREAM, 0, &four, sizeof four);
    with("UDP", AF_INET, SOCK_DGRAM, 0, NULL, 0);
    with("raw", AF_INET, SOCK_RAW, 1, NULL, 0);
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(22), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    with("IPv6", AF_INET6, SOCK_STREAM, 0, &six, sizeof six);
    with("netlink", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, NULL, 0);
    with("vsock", AF_VSOCK, SOCK_STREAM, 0, NULL, 0);
    with("alg", AF_ALG, SOCK_SEQPACKET, 0, NULL, 0);
    with("packet", AF_PACKET, SOCK_RAW, 0, NULL, 0);
    struct sockaddr_un name = { AF_UNIX, "" };
    strcpy(name.sun_path + 1, argc > 1 ? argv[1] : "nothing");
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name.sun_path + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("abstract: %s\n", connect(fd, (void *)&name, length) == 0 ? "REACHED" : "nobody there");
    int pair[2];
    came_of("a pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}
