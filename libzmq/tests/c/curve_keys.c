/* Keys of CURVE. */
#include "say.h"

/* Of a text with a zero within, what is before it takes the place of as much of the key. */
static void cut_short (void)
{
    static const int lengths[] = {0, 4, 5, 20, 35, 40};
    void *context = zmq_ctx_new (), *socket = open_socket (context, ZMQ_DEALER);
    unsigned char key[32];
    char text[42];
    size_t size, i, k, key_size = sizeof key;
    say ("keys with a zero within");
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size = 39; size <= 41; size++) {
            memset (key, 7, sizeof key);
            NEED (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, key, sizeof key) == 0);
            memset (text, '0', sizeof text);
            text[lengths[i]] = '\0';
            printf ("%d of %d: ", lengths[i], (int) size);
            CALL (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, text, size));
            NEED (zmq_getsockopt (socket, ZMQ_CURVE_PUBLICKEY, key, &key_size) == 0);
            for (k = 0; k < sizeof key; k++)
                printf ("%d", key[k]);
            printf ("\n");
        }
    zmq_close (socket);
    zmq_ctx_term (context);
}

int main (void)
{
    char public_key[41], secret_key[41], derived[41];
    CALL (zmq_curve_keypair (public_key, secret_key));
    printf ("%d %d\n", (int) strlen (public_key), (int) strlen (secret_key));
    CALL (zmq_curve_public (derived, secret_key));
    printf ("%s\n", strcmp (derived, public_key) == 0 ? "the same" : "another");
    CALL (zmq_curve_public (derived, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"));
    printf ("%s\n", derived);
    CALL (zmq_curve_public (derived, "too short"));
    CALL (zmq_curve_public (derived, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c "));
    cut_short ();
    return 0;
}
