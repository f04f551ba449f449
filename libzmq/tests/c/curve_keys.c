/* Keys of CURVE. */
#include "say.h"

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
    return 0;
}
