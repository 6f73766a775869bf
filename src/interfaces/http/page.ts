// The inspector's page: built files, found beside the package, served from memory and compressed once.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip, constants as zlib } from 'node:zlib';

/** One file of the page as HTTP sends it. */
export interface PageFile {
  readonly type: string;
  readonly etag: string;
  /** The name has a hash of the content, so the file never changes. */
  readonly immutable: boolean;
  /** The body in the best encoding that the client accepts; `encoding` is undefined for the plain body. */
  body(accepted: string): Promise<{ readonly body: Buffer; readonly encoding?: Encoding }>;
}

type Encoding = 'br' | 'gzip';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** The folder of the build: in `dist` when this runs from source, beside this code when it runs from the build. */
export const FOLDER = import.meta.url.endsWith('.ts') ? join(ROOT, 'dist', 'inspector') : join(ROOT, 'inspector');

const TYPES: Record<string, string | undefined> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};
const COMPRESSED = { br: '.br', gzip: '.gz' } as const;
/** The best quality that compresses the largest file within a tenth of a second. */
const BROTLI = { params: { [zlib.BROTLI_PARAM_QUALITY]: 9 } };
const compress = {
  br: (body: Buffer) => promisify(brotliCompress)(body, BROTLI),
  gzip: (body: Buffer) => promisify(gzip)(body, { level: 9 }),
};

/** The files of a build by their path below `/inspector/`. The server serves no file outside this map. */
export function pageFiles(folder: string): ReadonlyMap<string, PageFile> {
  if (!existsSync(join(folder, 'index.html'))) return new Map();
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => relative(folder, join(found.parentPath, found.name)).split(sep).join('/'));
  const shown = paths.filter((path) => !Object.values(COMPRESSED).some((suffix) => path.endsWith(suffix)));
  return new Map(shown.map((path) => [path, pageFile(folder, path)]));
}

function pageFile(folder: string, path: string): PageFile {
  const plain = readFileSync(join(folder, path));
  const type = TYPES[extname(path)] ?? 'application/octet-stream';
  const made = new Map<Encoding, Promise<Buffer>>();
  const encoded = (encoding: Encoding): Promise<Buffer> => {
    const known = made.get(encoding);
    if (known) return known;
    const beside = join(folder, path + COMPRESSED[encoding]);
    const making = existsSync(beside) ? Promise.resolve(readFileSync(beside)) : compress[encoding](plain);
    made.set(encoding, making);
    return making;
  };
  return {
    type,
    etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    immutable: path.startsWith('assets/'),
    async body(accepted) {
      const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : undefined;
      if (!encoding || !/^(text|application\/(json|wasm)|image\/svg)/.test(type)) return { body: plain };
      return { body: await encoded(encoding), encoding };
    },
  };
}

/** Time of the build in `folder`, ms since the epoch; undefined if there is none. */
export function builtAt(folder: string): number | undefined {
  return statSync(join(folder, 'index.html'), { throwIfNoEntry: false })?.mtimeMs;
}
