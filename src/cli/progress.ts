// A progress bar on stderr, so that stdout carries results only; without a terminal, one line for every quarter.
const WIDTH = 30;

export interface Progress {
  add(count?: number): void;
  /** Clears the bar. */
  done(): void;
}

export interface ProgressOptions {
  /** Default: standard error. */
  readonly stream?: NodeJS.WriteStream;
  /** Lines between the bar and the cursor, if several bars are stacked. Default 0. */
  readonly above?: number;
}

export function progress(label: string, total: number, options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, above = 0 } = options;
  const write = (text: string): void => {
    stream.write(above === 0 ? `\r${text}` : `\x1b[${above}A\r${text}\x1b[${above}B\r`);
  };
  let count = 0;
  let drawn = -1;
  const draw = (): void => {
    const part = total === 0 ? 1 : count / total;
    const step = Math.floor(part * (stream.isTTY ? 1_000 : 4));
    if (step === drawn) return;
    drawn = step;
    const bar = '█'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '░');
    if (stream.isTTY) write(`${label} ${bar} ${count}/${total}`);
    else stream.write(`${label} ${count}/${total}\n`);
  };
  draw();
  return {
    add(more = 1) {
      count += more;
      draw();
    },
    done() {
      if (stream.isTTY) write('\x1b[2K');
    },
  };
}
