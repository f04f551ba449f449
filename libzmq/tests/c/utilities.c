/* Counters, stopwatch, threads, Z85, texts of errors. */
#include "say.h"

static void *counter;

static void count_up (void *argument)
{
    int i;
    for (i = 0; i < 10000; i++)
        zmq_atomic_counter_inc (argument);
}

static void counters (void)
{
    void *threads[4];
    int i;
    say ("counters");
    MAKE (counter = zmq_atomic_counter_new ());
    CALL (zmq_atomic_counter_value (counter));
    CALL (zmq_atomic_counter_inc (counter));
    CALL (zmq_atomic_counter_inc (counter));
    CALL (zmq_atomic_counter_value (counter));
    CALL (zmq_atomic_counter_dec (counter));
    CALL (zmq_atomic_counter_dec (counter));
    zmq_atomic_counter_set (counter, 5);
    CALL (zmq_atomic_counter_value (counter));
    zmq_atomic_counter_set (counter, 0);
    for (i = 0; i < 4; i++)
        threads[i] = zmq_threadstart (count_up, counter);
    for (i = 0; i < 4; i++)
        zmq_threadclose (threads[i]);
    CALL (zmq_atomic_counter_value (counter));
    zmq_atomic_counter_destroy (&counter);
    printf ("%s\n", counter == NULL ? "NULL now" : "kept");
}

static void time_passes (void)
{
    void *watch;
    unsigned long one, two;
    say ("a stopwatch");
    MAKE (watch = zmq_stopwatch_start ());
    usleep (20000);
    one = zmq_stopwatch_intermediate (watch);
    zmq_sleep (1);
    two = zmq_stopwatch_stop (watch);
    printf ("%d %d\n", one >= 20000 && one < 900000, two >= 1020000 && two < 10000000);
}

static void z85 (void)
{
    static const uint8_t data[8] = {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B};
    char text[64];
    uint8_t back[64];
    say ("Z85");
    MAKE (zmq_z85_encode (text, data, 8));
    printf ("%s\n", text);
    MAKE (zmq_z85_decode (back, text));
    printf ("%d\n", memcmp (back, data, 8));
    MAKE (zmq_z85_encode (text, data, 7));
    MAKE (zmq_z85_encode (text, data, 0));
    printf ("%d\n", (int) strlen (text));
    MAKE (zmq_z85_decode (back, ""));
    MAKE (zmq_z85_decode (back, "abcd"));
    MAKE (zmq_z85_decode (back, "abcdef"));
    MAKE (zmq_z85_decode (back, "abc d"));
    MAKE (zmq_z85_decode (back, "abc\x7f\x7f"));
    MAKE (zmq_z85_decode (back, "%nSc0"));
    MAKE (zmq_z85_decode (back, "%nSc1"));
    MAKE (zmq_z85_decode (back, "#####"));
}

static void texts (void)
{
    int i;
    int major = 0, minor = 0, patch = 0;
    say ("texts");
    for (i = 0; i < 134; i++)
        printf ("%d: %s\n", i, zmq_strerror (i));
    printf ("%s\n%s\n%s\n%s\n", zmq_strerror (EFSM), zmq_strerror (ENOCOMPATPROTO), zmq_strerror (ETERM),
            zmq_strerror (EMTHREAD));
    printf ("%s\n", zmq_strerror (ZMQ_HAUSNUMERO));
    /* The text of a number that is unknown is there until the next is asked for. */
    printf ("%s\n", zmq_strerror (-1));
    printf ("%s\n", zmq_strerror (99999));
    zmq_version (&major, &minor, &patch);
    printf ("%d.%d\n", major, minor);
    CALL (zmq_has ("ipc"));
    CALL (zmq_has ("IPC"));
    CALL (zmq_has (""));
    CALL (zmq_has ("nothing"));
    CALL (zmq_has ("vmci"));
}

int main (void)
{
    counters ();
    time_passes ();
    z85 ();
    texts ();
    return 0;
}
