import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that can fall silent: connections stay open, new ones are accepted, and not a byte passes any more, as when a
 * cable is pulled. After `speak` new connections work; those that fell silent never say another word.
 */
export class BlackHole {
  private isSilent = false;
  private readonly pairs = new Set<readonly [Socket, Socket]>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async before(target: { host: string; port: number }): Promise<BlackHole> {
    // Half-open is allowed: a peer that cannot be heard does not take part in closing either.
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const hole = new BlackHole(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => hole.forward(near, target));
    return hole;
  }

  fallSilent(): void {
    this.isSilent = true;
    for (const [near, far] of this.pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  speak(): void {
    this.isSilent = false;
  }

  stop(): void {
    this.server.close();
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  private forward(near: Socket, { host, port }: { host: string; port: number }): void {
    const far = connect({ host, port, allowHalfOpen: true });
    const pair = [near, far] as const;
    this.pairs.add(pair);
    for (const socket of pair) socket.on('error', () => undefined);
    if (this.isSilent) {
      near.pause();
      return;
    }
    near.pipe(far);
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  }
}
