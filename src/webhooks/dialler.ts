import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Opens a TCP connection to one address; it resolves no names. Rejects when `signal` fires first. */
export abstract class Dialler {
  abstract dial(address: string, port: number, signal: AbortSignal): Promise<Socket>;
}

export class TcpDialler extends Dialler {
  dial(address: string, port: number, signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address, port, autoSelectFamily: false, noDelay: true });
      const giveUp = (error: Error): void => {
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        reject(error);
      };
      const onAbort = (): void => giveUp(new Error('Gave up connecting'));
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('error', giveUp);
      socket.once('connect', () => {
        signal.removeEventListener('abort', onAbort);
        socket.off('error', giveUp);
        resolve(socket);
      });
    });
  }
}
