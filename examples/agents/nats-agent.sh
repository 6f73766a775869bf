#!/usr/bin/env bash
# An agent outside, on NATS, in bash alone: bash examples/agents/nats-agent.sh [nats://127.0.0.1:4222] [order-status]
# It answers in one plain reply, as `nats reply` would. Troupe must know it: agents: [{ id: 'order-status', kind: 'nats' }].
url=${1:-${NATS_URL:-nats://127.0.0.1:4222}}
agent=${2:-${AGENT:-order-status}}
address=${url#nats://}
LC_ALL=C # The protocol counts bytes.
exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || exit 1

say() { printf '%s\r\n' "$@" >&3; }

# The user's words as they stand in the JSON of the request.
words_in() { [[ $1 =~ \"input_message\":\{\"role\":\"user\",\"content\":\"(([^\"\\]|\\.)*)\" ]] && printf %s "${BASH_REMATCH[1]}"; }

answer_to() {
  if [[ $1 =~ [0-9]+ ]]; then echo "Your order ${BASH_REMATCH[0]} is with the courier."
  else echo 'What is the number of your order?'; fi
}

say 'CONNECT {"verbose":false}' "SUB troupe.default.agent.$agent.invoke agents 1" PING
while IFS=$' \r' read -r verb _ _ reply size _ <&3; do
  case $verb in
    PING) say PONG ;;
    PONG) echo "$agent listens at $url" ;;
    MSG)
      IFS= read -r -N $((size + 2)) request <&3
      answer=$(answer_to "$(words_in "$request")")
      say "PUB $reply ${#answer}" "$answer" ;;
  esac
done
