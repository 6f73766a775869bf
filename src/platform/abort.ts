// A promise raced against an abort signal.

/** Settles as `promise` does, or rejects with the signal's reason as soon as it is aborted, whichever comes first. */
export function unlessAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave);
    const settled = () => signal.removeEventListener('abort', leave);
    promise.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error);
      },
    );
  });
}
