import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP relay on loopback that can fall silent, as a network does that loses every packet, or refuse. */
export class Relay {
  private readonly sockets = new Set<Socket>();
  private readonly silenced = new Set<Socket>();
  private isSilent = false;
  private isRefusing = false;

  private constructor(private readonly server: Server) {}

  static async to(host: string, port: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (near) => relay.join(near, connect(port, host)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Nothing passes any more and nobody is told, new connections included. */
  fallSilent(): void {
    this.isSilent = true;
  }

  /** The same for one connection that is open, told by the port that the server sees it come from. */
  silence(port: number): void {
    const far = [...this.sockets].find(({ localPort }) => localPort === port);
    if (far === undefined) throw new Error(`No connection comes from port ${port}`);
    this.silenced.add(far);
  }

  /** Every connection is reset, new ones as soon as they are made. */
  refuse(): void {
    this.isRefusing = true;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** What was lost in the silence is not delivered: those connections end. */
  recover(): void {
    for (const socket of this.sockets) socket.destroy();
    this.isSilent = false;
    this.isRefusing = false;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, far: Socket): void {
    if (this.isRefusing) {
      near.resetAndDestroy();
      far.destroy();
      return;
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (bytes) => {
        if (!this.isSilent && !this.silenced.has(far)) to.write(bytes);
      });
      from.on('error', () => undefined);
      from.once('close', () => {
        this.sockets.delete(from);
        if (!this.isSilent) to.destroy();
      });
    }
  }
}
