// A progress bar on stderr, so that what a command says on stdout stays clean; in a log, one line for every quarter.
const WIDTH = 30;

export interface Progress {
  add(count?: number): void;
  /** Clears the bar. */
  done(): void;
}

export function progress(label: string, total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  let count = 0;
  let drawn = -1;
  const draw = (): void => {
    const part = total === 0 ? 1 : count / total;
    const step = Math.floor(part * (stream.isTTY ? 1_000 : 4));
    if (step === drawn) return;
    drawn = step;
    const bar = '█'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '░');
    stream.write(stream.isTTY ? `\r${label} ${bar} ${count}/${total}` : `${label} ${count}/${total}\n`);
  };
  draw();
  return {
    add(more = 1) {
      count += more;
      draw();
    },
    done() {
      if (stream.isTTY) stream.write('\r\x1b[2K');
    },
  };
}
