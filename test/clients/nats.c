// Uses the NATS C client as programs do: a queue group, requests with headers, wildcards, nobody there. Prints what came.
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>

static void check(natsStatus status, const char *what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

static void answer(natsConnection *connection, natsSubscription *subscription, natsMsg *asked, void *closure) {
  const char *who = NULL;
  natsMsg *reply = NULL;
  (void)subscription;
  (void)closure;
  check(natsMsgHeader_Get(asked, "who", &who), "header of the request");
  check(natsMsg_Create(&reply, natsMsg_GetReply(asked), NULL, natsMsg_GetData(asked), natsMsg_GetDataLength(asked)), "reply");
  check(natsMsgHeader_Set(reply, "greeted", who), "header of the reply");
  check(natsConnection_PublishMsg(connection, reply), "publish the reply");
  natsMsg_Destroy(reply);
  natsMsg_Destroy(asked);
}

int main(int count, char **arguments) {
  natsConnection *connection = NULL;
  natsSubscription *greeter = NULL, *watcher = NULL;
  natsMsg *request = NULL, *reply = NULL, *told = NULL;
  const char *greeted = NULL;

  if (count != 2) return 2;
  check(natsConnection_ConnectTo(&connection, arguments[1]), "connect");
  check(natsConnection_QueueSubscribe(&greeter, connection, "greet", "greeters", answer, NULL), "subscribe");

  check(natsMsg_Create(&request, "greet", NULL, "hello", 5), "request");
  check(natsMsgHeader_Set(request, "who", "ann"), "header");
  check(natsConnection_RequestMsg(&reply, connection, request, 5000), "ask");
  check(natsMsgHeader_Get(reply, "greeted", &greeted), "header of the answer");
  printf("answer: %.*s for %s\n", natsMsg_GetDataLength(reply), natsMsg_GetData(reply), greeted);
  natsMsg_Destroy(reply);

  natsStatus nobody = natsConnection_RequestString(&reply, connection, "nobody.home", "", 5000);
  printf("nobody: %s\n", nobody == NATS_NO_RESPONDERS ? "no responders" : natsStatus_GetText(nobody));

  check(natsConnection_SubscribeSync(&watcher, connection, "news.*"), "watch");
  check(natsSubscription_AutoUnsubscribe(watcher, 2), "watch twice");
  check(natsConnection_PublishString(connection, "news.one", "1"), "publish");
  check(natsConnection_PublishString(connection, "news.two", "2"), "publish");
  check(natsConnection_PublishString(connection, "news.three", "3"), "publish");
  check(natsConnection_FlushTimeout(connection, 5000), "flush");
  while (natsSubscription_NextMsg(&told, watcher, 1000) == NATS_OK) {
    printf("told: %s %s\n", natsMsg_GetSubject(told), natsMsg_GetData(told));
    natsMsg_Destroy(told);
  }

  check(natsConnection_RequestString(&reply, connection, "from.inside", "ping", 5000), "ask the process");
  printf("inside: %s\n", natsMsg_GetData(reply));
  return 0;
}
