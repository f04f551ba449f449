/* PLAIN and CURVE: who comes in, who does not, and what an authenticator is asked. */
#include "say.h"

static void *context;

struct handler
{
    void *rep;
    int accept;
};

/* An authenticator that lives until its context ends. */
static void authenticate (void *argument)
{
    struct handler *handler = (struct handler *) argument;
    char parts[12][256];
    for (;;) {
        int count = 0;
        do {
            int size = zmq_recv (handler->rep, parts[count], sizeof parts[0] - 1, 0);
            if (size == -1) {
                NEED (zmq_errno () == ETERM);
                zmq_close (handler->rep);
                return;
            }
            parts[count++][size] = 0;
        } while (get_int (handler->rep, ZMQ_RCVMORE) && count < 12);
        printf ("asked: version %s, domain %s, address %s, mechanism %s, %d parts", parts[0], parts[2], parts[3],
                parts[5], count);
        if (strcmp (parts[5], "PLAIN") == 0)
            printf (", user %s, password %s", parts[6], parts[7]);
        printf ("\n");
        fflush (stdout);
        zmq_send (handler->rep, parts[0], strlen (parts[0]), ZMQ_SNDMORE);
        zmq_send (handler->rep, parts[1], strlen (parts[1]), ZMQ_SNDMORE);
        zmq_send (handler->rep, handler->accept ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send (handler->rep, handler->accept ? "OK" : "No", 2, ZMQ_SNDMORE);
        zmq_send (handler->rep, handler->accept ? "ann" : "", handler->accept ? 3 : 0, ZMQ_SNDMORE);
        zmq_send (handler->rep, "", 0, 0);
    }
}

static void text (void *socket, int option, const char *value)
{
    NEED (zmq_setsockopt (socket, option, value, strlen (value)) == 0);
}

/* Sends one message and says whether it came; prints the server's last event. */
static void deliver (void *server, void *client)
{
    char endpoint[256];
    void *events = open_socket (context, ZMQ_PAIR);
    zmq_msg_t message;
    int event = 0;
    unsigned char first[6];
    uint16_t number;
    uint32_t value = 0;
    NEED (zmq_socket_monitor (server, "inproc://events",
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
              | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0);
    NEED (zmq_connect (events, "inproc://events") == 0);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (client, endpoint) == 0);
    /* A client whose mechanism is not the server's has no peer any more once the two have found out. */
    NEED (zmq_send (client, "hello", 5, ZMQ_DONTWAIT) == 5 || zmq_errno () == EAGAIN);
    if (zmq_recv (events, first, 6, 0) == 6) {
        memcpy (&number, first, 2);
        memcpy (&value, first + 2, 4);
        event = number;
        zmq_recv (events, first, 6, 0);
    }
    printf ("event 0x%x, value 0x%x\n", event, value);
    set_int (server, ZMQ_RCVTIMEO, event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? LONG : 200);
    zmq_msg_init (&message);
    CALL (zmq_msg_recv (&message, server, 0));
    if (zmq_msg_size (&message)) {
        const char *user = zmq_msg_gets (&message, "User-Id");
        printf ("user %s\n", user ? user : "none");
    }
    zmq_msg_close (&message);
    zmq_close (client);
    zmq_close (server);
    zmq_close (events);
}

static void plain (const char *user, const char *password, int handled, int accept)
{
    void *server, *client, *thread = NULL;
    struct handler handler;
    printf ("-- PLAIN, user %s, %s\n", user ? user : "none",
            !handled ? "no authenticator" : accept ? "accepted" : "refused");
    context = zmq_ctx_new ();
    server = open_socket (context, ZMQ_PULL);
    client = open_socket (context, ZMQ_PUSH);
    set_int (server, ZMQ_PLAIN_SERVER, 1);
    if (handled) {
        text (server, ZMQ_ZAP_DOMAIN, "domain");
        handler.rep = zmq_socket (context, ZMQ_REP);
        handler.accept = accept;
        NEED (zmq_bind (handler.rep, "inproc://zeromq.zap.01") == 0);
        thread = zmq_threadstart (authenticate, &handler);
    }
    if (user) {
        text (client, ZMQ_PLAIN_USERNAME, user);
        text (client, ZMQ_PLAIN_PASSWORD, password);
    }
    printf ("mechanisms %d %d\n", get_int (server, ZMQ_MECHANISM), get_int (client, ZMQ_MECHANISM));
    deliver (server, client);
    zmq_ctx_shutdown (context);
    if (thread)
        zmq_threadclose (thread);
    CALL (zmq_ctx_term (context));
}

enum { NO_KEYS = 0, BOTH_KEYS = 1, SECRET_KEY, PUBLIC_KEY };

static void curve (const char *server_key, int client_keys, int handled, int accept)
{
    static const char secret[] = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
    static const char client_public[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    static const char client_secret[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    void *server, *client, *thread = NULL;
    struct handler handler;
    printf ("-- CURVE, %s key of the server, %s keys of the client, %s\n", server_key ? "a" : "no",
            client_keys == SECRET_KEY ? "only secret" : client_keys == PUBLIC_KEY ? "only public" : client_keys ? "with" : "without",
            !handled ? "no authenticator" : accept ? "accepted" : "refused");
    context = zmq_ctx_new ();
    server = open_socket (context, ZMQ_PULL);
    client = open_socket (context, ZMQ_PUSH);
    set_int (server, ZMQ_CURVE_SERVER, 1);
    text (server, ZMQ_CURVE_SECRETKEY, secret);
    if (handled) {
        text (server, ZMQ_ZAP_DOMAIN, "domain");
        handler.rep = zmq_socket (context, ZMQ_REP);
        handler.accept = accept;
        NEED (zmq_bind (handler.rep, "inproc://zeromq.zap.01") == 0);
        thread = zmq_threadstart (authenticate, &handler);
    }
    if (client_keys == BOTH_KEYS || client_keys == PUBLIC_KEY)
        text (client, ZMQ_CURVE_PUBLICKEY, client_public);
    if (client_keys == BOTH_KEYS || client_keys == SECRET_KEY)
        text (client, ZMQ_CURVE_SECRETKEY, client_secret);
    if (server_key)
        text (client, ZMQ_CURVE_SERVERKEY, server_key);
    printf ("mechanisms %d %d\n", get_int (server, ZMQ_MECHANISM), get_int (client, ZMQ_MECHANISM));
    deliver (server, client);
    zmq_ctx_shutdown (context);
    if (thread)
        zmq_threadclose (thread);
    CALL (zmq_ctx_term (context));
}

int main (void)
{
    static const char server_public[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    plain ("ann", "secret", 0, 0);
    plain ("ann", "secret", 1, 1);
    plain ("ann", "secret", 1, 0);
    plain (NULL, NULL, 0, 0);
    curve (server_public, BOTH_KEYS, 0, 0);
    curve (server_public, BOTH_KEYS, 1, 1);
    curve (server_public, BOTH_KEYS, 1, 0);
    curve ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", BOTH_KEYS, 0, 0);
    curve (NULL, NO_KEYS, 0, 0);
    /* A key that is not given is all zeros, and belongs to nobody. */
    curve (server_public, NO_KEYS, 0, 0);
    curve (server_public, NO_KEYS, 1, 1);
    curve (server_public, SECRET_KEY, 0, 0);
    curve (server_public, PUBLIC_KEY, 0, 0);
    return 0;
}
