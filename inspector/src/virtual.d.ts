// What the build makes up: see layouts.ts.
declare module 'virtual:layouts' {
  import type { Layout } from '../../src/diagram/layout.ts';

  const known: Record<string, () => Promise<{ default: Layout }>>;
  export default known;
}
