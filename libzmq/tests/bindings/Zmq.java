// Java, through jzmq's native binding (Debian: libzmq-java libzmq-jni).
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

public class Zmq {
    static void say(String what, Object value) {
        System.out.println(what + ": " + value);
    }

    public static void main(String[] arguments) throws Exception {
        ZMQ.Context context = ZMQ.context(1);

        // REQ and REP over tcp, in threads of their own.
        ZMQ.Socket rep = context.socket(ZMQ.REP);
        int port = rep.bindToRandomPort("tcp://127.0.0.1");
        Thread server = new Thread(() -> {
            for (int turn = 0; turn < 10; turn++) {
                byte[] question = rep.recv(0);
                rep.send(("World " + new String(question)).getBytes(), 0);
            }
        });
        server.start();
        ZMQ.Socket req = context.socket(ZMQ.REQ);
        req.connect("tcp://127.0.0.1:" + port);
        for (int turn = 0; turn < 10; turn++) {
            req.send(("Hello " + turn).getBytes(), 0);
            say("reply", new String(req.recv(0)));
        }
        server.join();
        try {
            req.recv(0);
            say("receive before send", "went through");
        } catch (ZMQException error) {
            say("receive before send", error.getErrorCode());
        }
        say("no message", rep.recv(ZMQ.NOBLOCK) == null);

        // PUSH and PULL over inproc, many, in order.
        ZMQ.Socket pull = context.socket(ZMQ.PULL);
        pull.bind("inproc://work");
        ZMQ.Socket push = context.socket(ZMQ.PUSH);
        push.connect("inproc://work");
        Thread worker = new Thread(() -> {
            for (int number = 0; number < 100000; number++) {
                push.send(Integer.toString(number).getBytes(), 0);
            }
        });
        worker.start();
        long sum = 0;
        for (int number = 0; number < 100000; number++) {
            int received = Integer.parseInt(new String(pull.recv(0)));
            if (received != number) throw new IllegalStateException("out of order: " + received);
            sum += received;
        }
        worker.join();
        say("sum", sum);

        // XPUB and SUB: the subscription is seen, topics are filtered.
        ZMQ.Socket xpub = context.socket(ZMQ.XPUB);
        int events = xpub.bindToRandomPort("tcp://127.0.0.1");
        ZMQ.Socket sub = context.socket(ZMQ.SUB);
        sub.connect("tcp://127.0.0.1:" + events);
        sub.subscribe("news".getBytes());
        byte[] subscription = xpub.recv(0);
        say("subscription", subscription[0] + " " + new String(subscription, 1, subscription.length - 1));
        xpub.send("weather".getBytes(), ZMQ.SNDMORE);
        xpub.send("rain".getBytes(), 0);
        xpub.send("news".getBytes(), ZMQ.SNDMORE);
        xpub.send("peace".getBytes(), 0);
        say("topic", new String(sub.recv(0)));
        say("more", sub.hasReceiveMore());
        say("text", new String(sub.recv(0)));
        say("more", sub.hasReceiveMore());

        // ROUTER and DEALER, polled; identities and options.
        ZMQ.Socket router = context.socket(ZMQ.ROUTER);
        int routed = router.bindToRandomPort("tcp://127.0.0.1");
        ZMQ.Socket dealer = context.socket(ZMQ.DEALER);
        dealer.setIdentity("me".getBytes());
        dealer.setLinger(0);
        dealer.setHWM(7);
        say("options", new String(dealer.getIdentity()) + " " + dealer.getLinger() + " " + dealer.getSndHWM());
        dealer.connect("tcp://127.0.0.1:" + routed);
        dealer.send("a request".getBytes(), 0);
        ZMQ.Poller poller = new ZMQ.Poller(2);
        poller.register(router, ZMQ.Poller.POLLIN);
        poller.register(dealer, ZMQ.Poller.POLLIN);
        say("ready", poller.poll(10000) + " " + poller.pollin(0) + " " + poller.pollin(1));
        say("from", new String(router.recv(0)));
        say("request", new String(router.recv(0)));
        router.send("me".getBytes(), ZMQ.SNDMORE);
        router.send("an answer".getBytes(), 0);
        say("answer", new String(dealer.recv(0)));

        for (ZMQ.Socket socket : new ZMQ.Socket[] {rep, req, pull, push, xpub, sub, router, dealer}) {
            socket.close();
        }
        context.term();
        say("end", "terminated");
    }
}
