# Ignition Transport: messages from one program to another, found by multicast within a network of their own (Debian:
# ignition-transport-cli). The argument is the folder with its programs.
ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo || exit
export IGN_IP=127.0.0.1 IGN_PARTITION=zefiro
heard=$(mktemp)
timeout 40 "$1/ign-transport-topic" -e -t /news -n 3 >"$heard" &
listener=$!
number=0
# Until it has heard enough: it may have missed the first ones.
while kill -0 "$listener" 2>/dev/null && [ $number -lt 40 ]; do
    timeout 20 "$1/ign-transport-topic" -t /news -m ignition.msgs.StringMsg -p 'data: "some text"'
    number=$((number + 1))
done
wait "$listener"
echo "ended $?"
cat "$heard"
rm -f "$heard"
