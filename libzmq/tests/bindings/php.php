<?php
// PHP, through its zmq extension (Debian: php-zmq).
$context = new ZMQContext();

function pair($context, $bound, $connected, $endpoint, $id = null) {
    $one = $context->getSocket($bound);
    $other = $context->getSocket($connected);
    foreach ([$one, $other] as $socket) {
        $socket->setSockOpt(ZMQ::SOCKOPT_LINGER, 0);
    }
    if ($id !== null) {
        $other->setSockOpt(ZMQ::SOCKOPT_IDENTITY, $id);
    }
    $one->bind($endpoint);
    $other->connect($endpoint);
    return [$one, $other];
}

foreach (["inproc://php", "ipc:///tmp/zefiro-php-" . getmypid(), "tcp://127.0.0.1:24733"] as $endpoint) {
    [$rep, $req] = pair($context, ZMQ::SOCKET_REP, ZMQ::SOCKET_REQ, $endpoint);
    $req->send("question");
    echo $rep->recv(), "\n";
    $rep->sendmulti(["an", "answer", str_repeat("x", 1000)]);
    echo json_encode(array_map('strlen', $req->recvMulti())), "\n";
    try {
        $rep->send("out of turn");
    } catch (ZMQSocketException $error) {
        echo $error->getMessage(), "\n";
    }
    echo json_encode($req->getEndpoints()) === '[]' ? "no endpoints\n" : "endpoints known\n";
    unset($rep, $req);
}

[$xpub, $sub] = pair($context, ZMQ::SOCKET_XPUB, ZMQ::SOCKET_SUB, "inproc://news");
$sub->setSockOpt(ZMQ::SOCKOPT_SUBSCRIBE, "a");
echo bin2hex($xpub->recv()), "\n";
foreach (["b", "ab", "a"] as $topic) {
    $xpub->send($topic);
}
echo $sub->recv(), $sub->recv(), "\n";
var_dump($sub->recv(ZMQ::MODE_DONTWAIT));

[$router, $dealer] = pair($context, ZMQ::SOCKET_ROUTER, ZMQ::SOCKET_DEALER, "inproc://router", "ann");
$dealer->sendmulti(["one", "two"]);
$poll = new ZMQPoll();
$poll->add($router, ZMQ::POLL_IN);
$readable = $writable = [];
echo $poll->poll($readable, $writable, 5000), "\n";
echo json_encode($router->recvMulti()), "\n";
$router->sendmulti(["ann", "back"]);
echo $dealer->recv(), "\n";
echo "done\n";
