// The version of this package, as package.json says.
import pkg from '../../package.json' with { type: 'json' };

export const version: string = pkg.version;
