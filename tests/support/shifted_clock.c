/* Shifts the time of day by CLOCK_SHIFT_S seconds for the program that preloads it.
 *
 * With CLOCK_SHIFT_FILE it is shifted by what that file holds now, a 64 bit number of seconds in the
 * machine's byte order, so that the time of day of running programs can leap. Whoever reads the time of day gets the shifted one; whoever waits until a time of day waits
 * until the true one. Clocks that measure durations stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A monotonic clock counts from the start of the machine, so it shows less for 31 years. */
#define FIRST_TIME_OF_DAY 1000000000

static int64_t fixed_s;
static const volatile int64_t *shift_s = &fixed_s;
static int (*true_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void)
{
    const char *value = getenv("CLOCK_SHIFT_S");
    fixed_s = value ? atol(value) : 0;
    const char *file = getenv("CLOCK_SHIFT_FILE");
    int opened = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (opened >= 0) {
        void *mapped = mmap(NULL, sizeof fixed_s, PROT_READ, MAP_SHARED, opened, 0);
        shift_s = mapped == MAP_FAILED ? &fixed_s : mapped;
        close(opened);
    }
    true_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!true_clock_gettime)
        start();
    int failed = true_clock_gettime(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *shift_s;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    (void)zone;
    struct timespec shifted;
    clock_gettime(CLOCK_REALTIME, &shifted);
    now->tv_sec = shifted.tv_sec;
    now->tv_usec = shifted.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec shifted;
    clock_gettime(CLOCK_REALTIME, &shifted);
    if (now)
        *now = shifted.tv_sec;
    return shifted.tv_sec;
}

static struct timespec unshifted(const struct timespec *until)
{
    struct timespec moment = *until;
    moment.tv_sec -= *shift_s;
    return moment;
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    struct timespec moment = unshifted(until);
    return sem_clockwait(semaphore, CLOCK_REALTIME, &moment);
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    struct timespec moment = unshifted(until);
    return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, &moment);
}

/* Which clock a condition has cannot be asked; a time says which one it was read from. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *until)
{
    if (until->tv_sec < FIRST_TIME_OF_DAY)
        return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
    struct timespec moment = unshifted(until);
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &moment);
}
