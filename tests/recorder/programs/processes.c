/* Births and ends of processes and threads. */
#include "cases.h"

extern char **environ;

static void vfork_and_exec(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    reap(must(pid));
}

static void vfork_and_exit(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = vfork();
    if (pid == 0) {
        write(ends[1], "first", 5);
        _exit(3);
    }
    /* The parent slept until now, so this comes second. */
    say(ends[1], "second");
    reap(must(pid));
}

static void spawn(void) {
    int ends[2];
    must(pipe2(ends, O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    pid_t pid;
    char *args[] = {"echo", "spawned", NULL};
    must(-posix_spawn(&pid, "/bin/echo", &actions, NULL, args, environ));
    close(ends[1]);
    hear(ends[0]);
    reap(pid);
}

static void failed_exec(void) {
    execl("/nowhere/to/be/found", "found", NULL);
    exit(errno == ENOENT ? 127 : 1);
}

/* A search along PATH fails once for each folder, and is one failure. */
static void failed_search(void) {
    setenv("PATH", "/usr/bin:/bin:/sbin", 1);
    execlp("no-such-program", "no-such-program", NULL);
    exit(errno == ENOENT ? 127 : 1);
}

static int until_the_end(void *ends) {
    int *pipe = ends;
    close(pipe[1]);
    char byte;
    return read(pipe[0], &byte, 1) == 0 ? 5 : 6;
}

static void orphan(void) {
    int ends[2];
    must(pipe(ends));
    child_of(until_the_end, ends);
    exit(2);
}

static int middle(void *with) {
    int *pipes = with;
    must(setsid());
    if (must(fork()) == 0) {
        say(pipes[1], "up");
        close(pipes[3]);
        char byte;
        _exit(read(pipes[2], &byte, 1) == 0 ? 0 : 1);
    }
    return 0;
}

static void daemon_by_two_forks(void) {
    int pipes[4];
    must(pipe(pipes));
    must(pipe(pipes + 2));
    reap(child_of(middle, pipes));
    hear(pipes[0]);
}

static int writes_and_waits(void *fd) {
    say(*(int *)fd, "half");
    pause();
    say(*(int *)fd, "whole");
    return 0;
}

static void killed_halfway(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = child_of(writes_and_waits, &ends[1]);
    close(ends[1]);
    hear(ends[0]);
    must(kill(pid, SIGKILL));
    reap(pid);
    hear(ends[0]);
}

static void kills_itself(void) {
    int ends[2];
    must(pipe(ends));
    child_of(until_the_end, ends);
    raise(SIGKILL);
}

static void *says(void *ends) {
    say(((int *)ends)[1], "thread");
    return NULL;
}

static void threads(void) {
    int ends[2];
    must(pipe(ends));
    pthread_t two[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&two[i], NULL, says, ends);
        pthread_join(two[i], NULL);
    }
    hear(ends[0]);
}

static int says_child(void *ends) {
    say(((int *)ends)[1], "child");
    return 4;
}

static void *forks(void *ends) {
    reap(child_of(says_child, ends));
    return NULL;
}

static void thread_that_forks(void) {
    int ends[2];
    must(pipe(ends));
    pthread_t thread;
    pthread_create(&thread, NULL, forks, ends);
    pthread_join(thread, NULL);
    hear(ends[0]);
}

static void *execs(void *with) {
    (void)with;
    execl("/bin/sh", "sh", "-c", "exit 9", NULL);
    return NULL;
}

static void exec_from_a_thread(void) {
    int ends[2];
    must(pipe2(ends, O_CLOEXEC));
    pthread_t thread;
    pthread_create(&thread, NULL, execs, NULL);
    hear(ends[0]);
}

static void *exits(void *ends) {
    hear(*(int *)ends);
    exit(4);
}

static void thread_outlives_the_first(void) {
    static int ends[2];
    must(pipe(ends));
    pthread_t thread;
    pthread_create(&thread, NULL, exits, ends);
    say(ends[1], "go");
    pthread_exit(NULL);
}

static int stops_itself(void *with) {
    (void)with;
    raise(SIGSTOP);
    return 6;
}

static void stops_and_is_continued(void) {
    pid_t pid = child_of(stops_itself, NULL);
    int status;
    must(waitpid(pid, &status, WUNTRACED));
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) exit(1);
    must(kill(pid, SIGCONT));
    must(waitpid(pid, &status, WCONTINUED));
    if (!WIFCONTINUED(status)) exit(2);
    reap(pid);
}

static int hears_and_says(void *with) {
    int *pipes = with;
    say(pipes[3], "ready");
    hear(pipes[0]);
    return 7;
}

/* Stopped while it sleeps in read, it reads nothing until it is continued. */
static void stopped_in_a_read(void) {
    int pipes[4];
    must(pipe(pipes));
    must(pipe(pipes + 2));
    pid_t pid = child_of(hears_and_says, pipes);
    hear(pipes[2]);
    must(kill(pid, SIGSTOP));
    int status;
    must(waitpid(pid, &status, WUNTRACED));
    say(pipes[1], "word");
    must(kill(pid, SIGCONT));
    reap(pid);
}

/* As a shell stops and ends a job: SIGCONT wakes what SIGTERM then ends. */
static void ended_while_it_is_stopped(void) {
    pid_t pid = child_of(stops_itself, NULL);
    int status;
    must(waitpid(pid, &status, WUNTRACED));
    must(kill(pid, SIGKILL));
    reap(pid);
}

static int passes_on(void *with) {
    int *pipe = with;
    for (int i = 0; i < 3; i++) {
        say(pipe[1], "a");
        hear(pipe[0]);
    }
    return 0;
}

static void polls_for_its_end(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = child_of(passes_on, ends);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
    }
}

static int sets(void *flag) {
    *(volatile int *)flag = 1;
    return 0;
}

static void yields_until_told(void) {
    volatile int *flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = child_of(sets, (void *)flag);
    while (*flag == 0) sched_yield();
    reap(pid);
}

static int exits_with(void *status) { return *(int *)status; }

/* waitid with WNOWAIT looks, and leaves the child to be reaped. */
static void looks_before_it_reaps(void) {
    int status = 42;
    pid_t pid = child_of(exits_with, &status);
    siginfo_t info;
    must(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    must(waitid(P_PID, pid, &info, WEXITED));
    exit(info.si_status);
}

static void ignored_children(void) {
    signal(SIGCHLD, SIG_IGN);
    int status = 1;
    child_of(exits_with, &status);
    exit(wait(NULL) < 0 && errno == ECHILD ? 0 : 1);
}

RUN(CASE(vfork_and_exec), CASE(vfork_and_exit), CASE(spawn), CASE(failed_exec), CASE(failed_search), CASE(orphan),
    CASE(daemon_by_two_forks), CASE(killed_halfway), CASE(kills_itself), CASE(threads), CASE(thread_that_forks),
    CASE(exec_from_a_thread), CASE(thread_outlives_the_first), CASE(stops_and_is_continued), CASE(stopped_in_a_read),
    CASE(ended_while_it_is_stopped), CASE(polls_for_its_end), CASE(yields_until_told), CASE(looks_before_it_reaps),
    CASE(ignored_children))
