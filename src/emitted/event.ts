// How the schema of an emitted event is written.
import { z } from 'zod';

/** An event of this type with these members and no others. */
export const event = <T extends string, S extends z.core.$ZodLooseShape>(type: T, description: string, shape: S) =>
  z.strictObject({ type: z.literal(type), ...shape }).describe(description);
