// Checks whether SQLite's write-ahead log still has every acknowledged commit.
//
// SQLite reads the log up to the first frame with a wrong checksum and drops the rest without an error. That is right
// after a power cut, when only the transaction being written is lost, and wrong when the log was damaged later. So it
// is checked before SQLite opens it. The format: https://www.sqlite.org/fileformat2.html#walformat

import { readFileSync, statSync } from 'node:fs';

const HEADER = 32;
const FRAME_HEADER = 24;
const MAGIC = 0x377f0682;

/** The damage and its remedy as a sentence; undefined when the log is intact or absent. */
export function walDamage(path: string): string | undefined {
  const log = `${path}-wal`;
  const wal = contents(log);
  // No header on disk yet, or only the space for it: this log has no acknowledged commit.
  if (wal.byteLength < HEADER || wal.subarray(0, HEADER).every((byte) => byte === 0)) return undefined;
  const wayOut = `Restore both files from a backup, or delete ${log} to go on without what only it held`;

  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const pageSize = view.getUint32(8);
  const sum = new Checksum(view);
  if ((view.getUint32(0) & ~1) !== MAGIC || pageSize < 512 || !sum.add(0, 24).equals(24)) {
    return `${log} is damaged: it does not begin as a log. ${wayOut}.`;
  }

  const frameSize = FRAME_HEADER + pageSize;
  const ofThisLog = (frame: number) => view.getBigUint64(frame + 8) === view.getBigUint64(16);
  const pagesAfterCommit = (frame: number) => view.getUint32(frame + 4);

  let frame = HEADER;
  let databasePages = 0;
  const pages = new Set<number>();
  for (; frame + frameSize <= wal.byteLength; frame += frameSize) {
    if (
      !ofThisLog(frame) ||
      !sum
        .add(frame, 8)
        .add(frame + FRAME_HEADER, pageSize)
        .equals(frame + 16)
    )
      break;
    pages.add(view.getUint32(frame));
    databasePages = pagesAfterCommit(frame) || databasePages;
  }

  // A commit is on disk before the next one is written, so of two commits after the break one was acknowledged.
  let lostCommits = 0;
  for (; frame + frameSize <= wal.byteLength; frame += frameSize) {
    if (ofThisLog(frame) && pagesAfterCommit(frame) > 0) lostCommits++;
  }
  if (lostCommits > 1)
    return `${log} is damaged: entries that were acknowledged can no longer be read from it. ${wayOut}.`;

  // Pages that the file lacks must be in the log. SQLite deletes the log beside an empty file, so that case is refused
  // always.
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (databasePages > 0 && size === 0) return `${path} is empty or missing, though ${log} is there. ${wayOut}.`;
  for (let page = Math.floor(size / pageSize) + 1; page <= databasePages; page++) {
    if (!pages.has(page))
      return `${path} is cut off: page ${page} of ${databasePages} is missing. Restore it from a backup.`;
  }
  return undefined;
}

/** SQLite's running checksum over pairs of words, in the byte order that the log's magic number names. */
class Checksum {
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(view: DataView) {
    this.#view = view;
    this.#littleEndian = (view.getUint32(0) & 1) === 0;
  }

  add(offset: number, length: number): this {
    let first = this.#first;
    let second = this.#second;
    for (let at = offset; at < offset + length; at += 8) {
      first = (first + this.#view.getUint32(at, this.#littleEndian) + second) | 0;
      second = (second + this.#view.getUint32(at + 4, this.#littleEndian) + first) | 0;
    }
    this.#first = first;
    this.#second = second;
    return this;
  }

  equals(offset: number): boolean {
    return this.#view.getInt32(offset) === this.#first && this.#view.getInt32(offset + 4) === this.#second;
  }
}

function contents(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
