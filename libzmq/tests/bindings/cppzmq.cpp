// C++, through cppzmq (Debian: cppzmq-dev).
#include <zmq.hpp>
#include <zmq_addon.hpp>

#include <iostream>
#include <string>
#include <thread>

static std::string text (const zmq::message_t &message)
{
    return message.to_string ();
}

int main ()
{
    zmq::context_t context (1);
    for (std::string endpoint : {"inproc://cpp", "tcp://127.0.0.1:*", "ipc://*"}) {
        zmq::socket_t rep (context, zmq::socket_type::rep), req (context, zmq::socket_type::req);
        rep.set (zmq::sockopt::linger, 0);
        req.set (zmq::sockopt::linger, 0);
        rep.bind (endpoint);
        req.connect (rep.get (zmq::sockopt::last_endpoint));
        req.send (zmq::str_buffer ("question"), zmq::send_flags::none);
        zmq::message_t message;
        (void) rep.recv (message);
        std::cout << text (message) << "\n";
        zmq::multipart_t answer;
        answer.addstr ("an");
        answer.addstr ("answer");
        answer.addstr (std::string (1000, 'x'));
        answer.send (rep);
        zmq::multipart_t parts (req);
        std::cout << parts.size () << " " << parts.peekstr (2).size () << "\n";
        try {
            rep.send (zmq::str_buffer ("out of turn"), zmq::send_flags::none);
        } catch (const zmq::error_t &error) {
            std::cout << error.what () << " " << (error.num () == EFSM) << "\n";
        }
    }

    zmq::socket_t xpub (context, zmq::socket_type::xpub), sub (context, zmq::socket_type::sub);
    xpub.bind ("inproc://news");
    sub.connect ("inproc://news");
    sub.set (zmq::sockopt::subscribe, "a");
    zmq::message_t message;
    (void) xpub.recv (message);
    std::cout << message.size () << "\n";
    for (const char *topic : {"b", "ab", "a"})
        xpub.send (zmq::buffer (std::string (topic)), zmq::send_flags::none);
    (void) sub.recv (message);
    std::cout << text (message) << "\n";
    std::vector<zmq::pollitem_t> items{{sub.handle (), 0, ZMQ_POLLIN, 0}};
    std::cout << zmq::poll (items, std::chrono::milliseconds (1000)) << "\n";
    (void) sub.recv (message);
    std::cout << text (message) << " " << sub.recv (message, zmq::recv_flags::dontwait).has_value () << "\n";

    zmq::message_t original (std::string (500, 'y')), copy;
    copy.copy (original);
    std::cout << (copy == original) << " " << copy.size () << "\n";
    auto moved = std::move (copy);
    std::cout << moved.size () << " " << copy.size () << "\n";

    std::thread waiting ([&context] {
        zmq::socket_t pull (context, zmq::socket_type::pull);
        zmq::message_t none;
        try {
            (void) pull.recv (none);
        } catch (const zmq::error_t &error) {
            std::cout << error.what () << "\n";
        }
    });
    std::this_thread::sleep_for (std::chrono::milliseconds (50));
    xpub.close ();
    sub.close ();
    context.shutdown ();
    waiting.join ();
    context.close ();
    std::cout << "done\n";
}
