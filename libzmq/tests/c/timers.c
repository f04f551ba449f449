/* Timers: their ids, their order, changing them, and sets that are none. */
#include "say.h"

static void *timers;
static int runs;
static int cancel_own, add_more;

static void run (int id, void *argument)
{
    printf ("timer %d runs: %s\n", id, (const char *) argument);
    runs++;
    if (cancel_own == id)
        CALL (zmq_timers_cancel (timers, id));
    if (add_more) {
        add_more = 0;
        CALL (zmq_timers_add (timers, 10000, run, (void *) "added while running"));
    }
}

static void wait_and_run (int until)
{
    runs = 0;
    while (runs < until) {
        long left = zmq_timers_timeout (timers);
        NEED (left >= 0);
        usleep ((useconds_t) left * 1000);
        NEED (zmq_timers_execute (timers) == 0);
    }
}

int main (void)
{
    void *none = NULL;
    long left;
    int id, other;
    say ("a set");
    MAKE (timers = zmq_timers_new ());
    CALL (zmq_timers_timeout (timers) == -1);
    CALL (zmq_timers_execute (timers));
    CALL (zmq_timers_cancel (timers, 1));
    CALL (zmq_timers_cancel (timers, -1));
    CALL (zmq_timers_set_interval (timers, 1, 10));
    CALL (zmq_timers_reset (timers, 1));
    CALL (zmq_timers_add (timers, 10, NULL, NULL));

    say ("in order of time");
    CALL (other = zmq_timers_add (timers, 1500, run, (void *) "slow"));
    CALL (id = zmq_timers_add (timers, 500, run, (void *) "quick"));
    left = zmq_timers_timeout (timers);
    printf ("time left: %s\n", left > 20 && left <= 500 ? "right" : "wrong");
    wait_and_run (1);
    CALL (zmq_timers_cancel (timers, id));
    CALL (zmq_timers_cancel (timers, id));
    wait_and_run (1);

    say ("changed");
    CALL (zmq_timers_set_interval (timers, other, 10000));
    left = zmq_timers_timeout (timers);
    printf ("time left: %s\n", left > 9000 && left <= 10000 ? "right" : "wrong");
    CALL (zmq_timers_set_interval (timers, other, 20));
    CALL (zmq_timers_reset (timers, other));
    wait_and_run (2);

    say ("cancelled and added while running");
    cancel_own = other;
    add_more = 1;
    wait_and_run (1);
    left = zmq_timers_timeout (timers);
    printf ("time left: %s\n", left > 9000 && left <= 10000 ? "right" : "wrong");

    say ("cancelled, but not forgotten before its turn");
    CALL (zmq_timers_set_interval (timers, other, 10));
    CALL (zmq_timers_cancel (timers, 3));
    CALL (zmq_timers_reset (timers, 3));
    CALL (zmq_timers_cancel (timers, 3));
    CALL (id = zmq_timers_add (timers, 20000, run, (void *) "late"));
    CALL (zmq_timers_timeout (timers) > 10000);
    CALL (zmq_timers_reset (timers, 3));
    CALL (zmq_timers_cancel (timers, id));
    CALL (zmq_timers_set_interval (timers, id, 10));
    CALL (zmq_timers_execute (timers));
    CALL (zmq_timers_set_interval (timers, id, 10));
    CALL (zmq_timers_timeout (timers));

    say ("set at the same time: in that order");
    for (id = 0; id < 3; id++)
        CALL (zmq_timers_add (timers, 20, run, (void *) "one of three"));
    usleep (50000);
    CALL (zmq_timers_execute (timers));
    CALL (zmq_timers_destroy (&timers));
    printf ("%s\n", timers == NULL ? "NULL now" : "kept");

    say ("no set");
    CALL (zmq_timers_destroy (&none));
    CALL (zmq_timers_add (NULL, 10, run, NULL));
    CALL (zmq_timers_cancel (NULL, 1));
    CALL (zmq_timers_set_interval (NULL, 1, 1));
    CALL (zmq_timers_reset (NULL, 1));
    CALL (zmq_timers_timeout (NULL));
    CALL (zmq_timers_execute (NULL));
    return 0;
}
