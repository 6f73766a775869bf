// ELK in this thread, for drawings that are made outside a browser.
import elkjs from 'elkjs/lib/elk.bundled.js';
import type { ELK } from 'elkjs/lib/elk-api.js';

export const elkHere = (): ELK => new (elkjs as unknown as new () => ELK)();
