/* Keeps every core of a lent machine awake.
 *
 * The host of a virtual machine gives a core that sleeps to others, and gives it back late: beside the live tests it
 * kept 17 to 48 % of two cores' time, and within seconds 0 to 5 % with this (`vmstat 5`). A thread on each core runs
 * where nothing else wants to (SCHED_IDLE), much as Linux itself does where it is booted with idle=poll for audio; REST
 * leaves what two threads of one core share to the other. Ends with whoever started it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#define REST() __asm__ volatile("pause")
#elif defined(__aarch64__)
#define REST() __asm__ volatile("yield")
#else
#define REST() __asm__ volatile("")
#endif

static void *stay_awake(void *core) {
    cpu_set_t only;
    struct sched_param none = {0};
    CPU_ZERO(&only);
    CPU_SET((intptr_t)core, &only);
    if (sched_setaffinity(0, sizeof only, &only) || sched_setscheduler(0, SCHED_IDLE, &none)) {
        perror("awake");
        return NULL;
    }
    for (;;)
        REST();
}

int main(void) {
    cpu_set_t allowed;
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sched_getaffinity(0, sizeof allowed, &allowed)) {
        perror("awake");
        return 1;
    }
    for (intptr_t core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &allowed) && pthread_create(&thread, NULL, stay_awake, (void *)core))
            return 1;
    for (;;)
        pause();
}
