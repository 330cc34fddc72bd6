import pg from 'pg';

/**
 * A client that always has somebody to hear of its loss. A pool listens only while the client is idle and its user only from when
 * it goes on after waiting for one; a server that ends in between would end this process. Whoever uses the client next is told.
 */
export class SteadyClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
