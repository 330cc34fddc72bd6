import type { ErrorAnswer } from './error-body.js';

/** A refusal that exists only in HTTP (406, 414 …) and so has no kind of its own. */
export class HttpRefusal extends Error {
  constructor(readonly answer: ErrorAnswer) {
    super(answer.message);
  }
}
