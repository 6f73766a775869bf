// Stately's inspection protocol, as `createWebSocketInspector` of @statelyai/inspect speaks it: one JSON object a frame.
import { z } from 'zod';

const name = z.string().min(1).max(500);
const base = {
  sessionId: name,
  rootId: z.string().max(500).nullish(),
  createdAt: z.string().max(100).nullish(),
  _version: z.string().max(100),
};
const snapshot = z.looseObject({ status: z.string().max(20).optional() }).nullish();
const event = z.looseObject({ type: z.string().max(500) });

/** An event of a foreign program's actor. Further members are allowed. */
export const inspection = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('@xstate.actor'),
    ...base,
    name: z.string().max(500).nullish(),
    parentId: z.string().max(500).nullish(),
    definition: z.string().nullish(),
    snapshot,
  }),
  z.looseObject({ type: z.literal('@xstate.event'), ...base, sourceId: z.string().max(500).nullish(), event }),
  z.looseObject({ type: z.literal('@xstate.snapshot'), ...base, event, snapshot }),
]);
export type Inspection = z.infer<typeof inspection>;
