import { Socket } from 'node:net';
import pg from 'pg';

/**
 * A client that always has somebody to hear of its loss. A pool listens only while the client is idle and its user only from when
 * it goes on after waiting for one; a server that ends in between would end this process. Whoever uses the client next is told.
 */
export class SteadyClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(typeof config === 'string' ? config : { ...config, stream: () => new GatheringSocket() });
    this.on('error', () => undefined);
  }
}

/** Sends what is written within one turn of the event loop together: statements that do not wait for each other cost one write. */
class GatheringSocket extends Socket {
  private isGathering = false;

  override uncork(): void {
    if (this.isGathering) return;
    this.isGathering = true;
    setImmediate(() => {
      this.isGathering = false;
      while (this.writableCorked > 0) super.uncork();
    });
  }
}
