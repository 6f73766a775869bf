// Routing by trigger: which agent a message goes to, with what confidence, and why.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameWords, wordsOf } from '../src/platform/words.ts';
import { type Candidate, compileTriggers, type Router, routeByTrigger } from '../src/routing/triggers.ts';
import { createTroupe } from '../src/troupe.ts';

const desk: Candidate[] = [
  { id: 'booking', triggers: ['book a table', 'reservation'] },
  { id: 'refunds', triggers: ['refund', 'money back'] },
  { id: 'order', triggers: ['order', 'where is my order', 'track a parcel'] },
  { id: 'silent' },
];

describe('a message is routed by trigger', () => {
  it.each([
    ['I want to book a table for two', 'booking', 'the message says "book a table"'],
    ['Reservation!', 'booking', 'the message says "reservation"'],
    ['please, WHERE is: my   order?', 'order', 'the message says "where is my order"'],
    [
      'could a parcel of mine be tracked? I want to track it',
      'order',
      'the message has all the words of "track a parcel"',
    ],
    ['table: I would like to book the big one', 'booking', 'the message has most words of "book a table"'],
    ['I want my money, give it back', 'refunds', 'the message has all the words of "money back"'],
  ])('%j goes to %s: %s', (message, agent, reason) => {
    expect(routeByTrigger(message, desk)).toMatchObject({ agent, reason });
  });

  it.each(['what is the weather', 'a', '', '?!', 'orders', 'preorder', 'a notebook on the table'])(
    '%j matches nothing',
    (message) => {
      expect(routeByTrigger(message, desk)).toBeNull();
    },
  );

  it('reports the confidence: 1 when the message is the phrase, less the more else it says', () => {
    const confidence = (message: string) => routeByTrigger(message, desk)?.confidence;
    expect(confidence('book a table')).toBe(1);
    expect(confidence('book a table please')).toBe(0.938);
    expect(confidence('hello, can you book a table for me and my three friends')).toBe(0.813);
    expect(confidence('a table, can you book it')).toBe(0.7);
    expect(confidence('book the table')).toBe(0.63);
  });

  it('takes a whole phrase before the scattered words of a longer one', () => {
    const agents = [
      { id: 'scattered', triggers: ['cancel my whole subscription'] },
      { id: 'whole', triggers: ['cancel'] },
    ];
    const route = routeByTrigger('my subscription, cancel the whole of it', agents);
    expect(route).toMatchObject({ agent: 'whole', secondary: ['scattered'] });
  });

  it('takes the longer of two phrases: more words first, then more letters', () => {
    const agents = [
      { id: 'short', triggers: ['order'] },
      { id: 'letters', triggers: ['cancellation'] },
      { id: 'words', triggers: ['my order'] },
    ];
    expect(routeByTrigger('cancellation of my order', agents)).toMatchObject({
      agent: 'words',
      secondary: ['letters', 'short'],
    });
  });

  it('takes the agent declared first when two match equally well', () => {
    const agents = ['first', 'second', 'third'].map((id) => ({ id, triggers: ['help'] }));
    expect(routeByTrigger('help me', agents)).toMatchObject({ agent: 'first', secondary: ['second', 'third'] });
    expect(routeByTrigger('help me', agents.toReversed())).toMatchObject({ agent: 'third' });
  });

  it('names every agent once, however many of its triggers match', () => {
    expect(routeByTrigger('order: where is my order', desk)).toEqual({
      agent: 'order',
      confidence: 0.95,
      reason: 'the message says "where is my order"',
    });
  });

  it('matches only at or above the threshold', () => {
    const at = (threshold: number) => routeByTrigger('book the table', desk, { threshold })?.agent;
    expect(at(0.63)).toBe('booking');
    expect(at(0.64)).toBeUndefined();
  });

  it('ignores triggers without a word in them', () => {
    expect(routeByTrigger('?!', [{ id: 'marks', triggers: ['', '?!', ' '] }])).toBeNull();
  });

  it('can be replaced by a router that decides itself or leaves it to the default', async () => {
    const router: Router = (message, { agents }) =>
      message.startsWith('#') ? { agent: agents[0]!.id, confidence: 1, reason: 'a code' } : 'default';
    const context = { tenant: 'default', session_id: 's1', agents: desk, history: async () => [] };
    expect(await router('#1', context)).toMatchObject({ agent: 'booking' });
    expect(await router('hello', context)).toBe('default');
  });

  it('by a router that knows what was said before, and by whom', async () => {
    const run = () => 'Shall I?';
    const troupe = await createTroupe({
      agents: desk.map(({ id, triggers }) => ({ id, triggers, run })),
      routing: async (message, { history }) => {
        const [last] = await history(1);
        return message === 'yes' && last ? { agent: last.agent_id!, confidence: 1, reason: last.content } : 'default';
      },
    });
    const session = troupe.session('s1');
    await session.send('my money back');
    const { agent_id, trace } = await session.send('yes');
    expect(agent_id).toBe('refunds');
    expect(trace).toContainEqual(expect.objectContaining({ type: 'run_routed', reason: 'Shall I?' }));
    await troupe.close();
  });
});

describe('a message in any script is routed', () => {
  const agents: Candidate[] = [
    { id: 'ru', triggers: ['вернуть деньги'] },
    { id: 'de', triggers: ['Tisch für zwei'] },
    { id: 'el', triggers: ['ακύρωση'] },
    { id: 'ar', triggers: ['حجز طاولة'] },
    { id: 'hi', triggers: ['टेबल बुक करें'] },
    { id: 'zh', triggers: ['预订餐厅'] },
    { id: 'ja', triggers: ['予約をキャンセル'] },
    { id: 'th', triggers: ['จองโต๊ะ'] },
    { id: 'ko', triggers: ['환불'] },
  ];
  it.each([
    ['Как мне ВЕРНУТЬ ДЕНЬГИ за билет?', 'ru'],
    ['Einen Tisch fu\u0308r zwei, bitte', 'de'],
    ['ΑΚΎΡΩΣΗ παραγγελίας', 'el'],
    ['أريد حجز طاولة من فضلك', 'ar'],
    ['कृपया टेबल बुक करें', 'hi'],
    ['我想预订餐厅，今晚七点', 'zh'],
    ['すみません、予約をキャンセルしたいです', 'ja'],
    ['ผมอยากจองโต๊ะสำหรับสองคน', 'th'],
    ['환불 해주세요', 'ko'],
    ['ｔｉｓｃｈ　ｆüｒ　ｚｗｅｉ', 'de'],
  ])('%s → %s', (message, agent) => {
    expect(routeByTrigger(message, agents)).toMatchObject({ agent });
  });

  it('a word is found whole or not at all', () => {
    expect(routeByTrigger('деньгин', agents)).toBeNull();
  });
});

describe('routing is deterministic', () => {
  const word = fc.constantFrom('book', 'a', 'table', 'refund', 'order', 'my', 'où', '餐厅', 'x');
  const phrase = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(' '));
  const agents = fc
    .array(fc.array(phrase, { maxLength: 4 }), { minLength: 1, maxLength: 6 })
    .map((all) => all.map((triggers, index) => ({ id: `a${index}`, triggers })));
  const message = fc.array(fc.oneof(word, fc.string()), { maxLength: 12 }).map((words) => words.join(' '));

  it('the same message gets the same route, compiled or not, before and after others', () => {
    fc.assert(
      fc.property(agents, fc.array(message, { minLength: 1 }), (agents, messages) => {
        const route = compileTriggers(agents);
        const once = messages.map((text) => route(text));
        expect(messages.toReversed().map((text) => route(text))).toEqual(once.toReversed());
        expect(messages.map((text) => routeByTrigger(text, agents))).toEqual(once);
      }),
    );
  });

  it('the order of the agents does not matter, except between equals', () => {
    fc.assert(
      fc.property(
        agents.chain((agents) =>
          fc.tuple(fc.constant(agents), fc.shuffledSubarray(agents, { minLength: agents.length })),
        ),
        message,
        ([agents, shuffled], message) => {
          const one = routeByTrigger(message, agents);
          const other = routeByTrigger(message, shuffled);
          expect(other?.confidence).toBe(one?.confidence);
          if (one === null || other === null || one.agent === other.agent) return;
          // Equals: alone, each of the two has the very same match.
          const alone = (id: string) =>
            routeByTrigger(
              message,
              agents.filter((agent) => agent.id === id),
            );
          expect(alone(other.agent)?.confidence).toBe(alone(one.agent)?.confidence);
          expect(agents.findIndex(({ id }) => id === one.agent)).toBeLessThan(
            agents.findIndex(({ id }) => id === other.agent),
          );
        },
      ),
    );
  });

  it('the confidence is between 0 and 1, and the best agent has the highest', () => {
    fc.assert(
      fc.property(agents, message, (agents, message) => {
        const route = routeByTrigger(message, agents, { threshold: 0 });
        if (route === null) return;
        expect(route.confidence).toBeGreaterThan(0);
        expect(route.confidence).toBeLessThanOrEqual(1);
        for (const id of route.secondary ?? []) {
          const alone = routeByTrigger(
            message,
            agents.filter((agent) => agent.id === id),
            { threshold: 0 },
          );
          expect(alone!.confidence).toBeLessThanOrEqual(route.confidence);
        }
      }),
    );
  });
});

describe('words', () => {
  it.each([
    ["Don't STOP, me-now 2nite!", ['don', 't', 'stop', 'me', 'now', '2nite']],
    ['Ünïcode e\u0301tude ﬁne', ['ünïcode', 'étude', 'fine']],
    ['東京tower', ['東', '京', 'tower']],
    ['👍 …', []],
  ])('%j', (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  it('are the same however they are spaced and punctuated', () => {
    expect(sameWords('Never mind!', 'nevermind')).toBe(true);
    expect(sameWords('never', 'never mind')).toBe(false);
  });
});
