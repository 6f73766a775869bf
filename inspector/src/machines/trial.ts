// A chart that is tried out: the service computes each step, and the page keeps where they led.
import { useCallback, useEffect, useMemo, useState } from 'react';
import type { Transition } from '../../../src/charts/transitions.ts';
import { ask, type Machine } from '../api.ts';

export interface Stepped {
  /** What was sent; undefined for the step that began. */
  readonly event?: { readonly type: string };
  readonly snapshot: { readonly value: unknown; readonly context: unknown; readonly status?: string };
  readonly state: string;
  readonly active: readonly string[];
  readonly effects: readonly { readonly type: string; readonly [member: string]: unknown }[];
  readonly emitted: readonly { readonly type: string; readonly [member: string]: unknown }[];
  readonly transitions: readonly Transition[];
  readonly changed: boolean;
  readonly allowed: readonly string[];
}

export interface Trial {
  readonly steps: readonly Stepped[];
  readonly now?: Stepped;
  readonly problem?: string;
  /** What the machine is created with, as JSON. */
  readonly input: string;
  send(event: { type: string }): void;
  /** Takes back the last step. */
  back(): void;
  /** Begins anew with another input. */
  begin(input: string): void;
}

export function useTrial(name: string, machine: Machine): Trial {
  const [steps, setSteps] = useState<readonly Stepped[]>([]);
  const [problem, setProblem] = useState<string>();
  const [input, setInput] = useState(() =>
    machine.sample_input === undefined ? '' : JSON.stringify(machine.sample_input, undefined, 2),
  );
  const step = useCallback(
    async (body: object): Promise<Stepped | undefined> => {
      setProblem(undefined);
      try {
        return await ask<Stepped>('POST', `/v1/machines/${encodeURIComponent(name)}/step`, body);
      } catch (error) {
        setProblem((error as Error).message);
        return;
      }
    },
    [name],
  );
  const begin = useCallback(
    async (text: string): Promise<void> => {
      setInput(text);
      try {
        const given = text.trim() === '' ? {} : { input: JSON.parse(text) };
        const first = await step(given);
        if (first) setSteps([first]);
      } catch (error) {
        setProblem(`The input is no JSON: ${(error as Error).message}`);
      }
    },
    [step],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: once; later changes of the input begin by themselves
  useEffect(() => {
    void begin(input);
  }, [begin]);
  return useMemo(() => {
    const now = steps.at(-1);
    const send = async (event: { type: string }): Promise<void> => {
      const next = now && (await step({ snapshot: now.snapshot, event }));
      if (next) setSteps((all) => [...all, { ...next, event }]);
    };
    return {
      steps,
      now,
      problem,
      input,
      send: (event) => void send(event),
      back: () => setSteps((all) => (all.length > 1 ? all.slice(0, -1) : all)),
      begin: (text) => void begin(text),
    };
  }, [steps, problem, input, step, begin]);
}
