# An agent outside, on NATS, in plain Python: python3 examples/agents/nats-agent.py [nats://127.0.0.1:4222] [order-status]
# The protocol is a few lines of text; a client library, such as nats-py, does the same and comes back when it is cut off.
import json, os, re, socket, sys, threading, time
from urllib.parse import urlparse

given = dict(enumerate(sys.argv))
url = given.get(1) or os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
agent = given.get(2) or os.environ.get("AGENT", "order-status")
subject = f"troupe.default.agent.{agent}"
instance = f"python-{os.getpid()}"
connection = socket.create_connection((urlparse(url).hostname, urlparse(url).port or 4222))
heard = connection.makefile("rb")

one_at_a_time = threading.Lock()

def send(text):
    with one_at_a_time:
        connection.sendall(text.encode())

def publish(to, message):
    body = json.dumps(message)  # ASCII, so its length is its size.
    send(f"PUB {to} {len(body)}\r\n{body}\r\n")

def answer(request, reply):
    order = re.search(r"\d+", request["input"][-1]["content"])
    words = f"Your order {order[0]} is with the courier." if order else "What is the number of your order?"
    for text in re.findall(r"\S+ ?", words):
        # With its name from the heartbeats: if they stop in the middle of an answer, another instance is asked at once.
        publish(reply, {"type": "delta", "text": text, "instance_id": instance})
    publish(reply, {"type": "done"})

# Saying that it is there makes it an agent that nobody needs to declare. As many as are started share the work.
def beat():
    while True:
        publish(f"{subject}.heartbeat", {"instance_id": instance, "interval_s": 5})
        time.sleep(5)

send(f'CONNECT {{"verbose":false}}\r\nSUB {subject}.invoke agents 1\r\nPING\r\n')
threading.Thread(target=beat, daemon=True).start()
while line := heard.readline().decode().split():
    match line:
        case ["PING"]:
            send("PONG\r\n")
        case ["PONG"]:
            print(f"{agent} listens at {url}", flush=True)
        case ["MSG", _, _, reply, size]:
            answer(json.loads(heard.read(int(size) + 2)), reply)
