/** What is mostly known already, and now and then has to be waited for. */
export type Soon<T> = T | Promise<T>;

/** Goes on at once with what is known; a turn of the event loop for each answer in memory would cost more than the answer. */
export function once<T, R>(value: Soon<T>, use: (known: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** What `attempt` gives, or what `handle` makes of its failure, whether it fails at once or later. */
export function orElse<T>(attempt: () => Soon<T>, handle: (error: unknown) => Soon<T>): Soon<T> {
  try {
    const value = attempt();
    return value instanceof Promise ? value.catch(handle) : value;
  } catch (error) {
    return handle(error);
  }
}
