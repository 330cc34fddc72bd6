import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { AddressGuard, Resolution } from './address-guard.js';
import { ConnectFailed, TargetRefused } from './connect-errors.js';
import type { Dialler } from './dialler.js';
import { isSameAddress } from './domain/ip-address.js';
import { hostOf, portOf, type Purpose } from './domain/target-url.js';

const MAX_ADDRESSES_TRIED = 4;

export interface TlsTrust {
  /** Certificates to trust instead of the built-in ones (which NODE_EXTRA_CA_CERTS extends). */
  ca?: string;
}

/** Opens connections to hosts that somebody else has chosen: only to addresses that the guard has just checked. */
export class GuardedConnector {
  constructor(
    private readonly guard: AddressGuard,
    private readonly dialler: Dialler,
    private readonly connectTimeoutMs: number,
    private readonly trust: TlsTrust,
  ) {}

  /** For HTTP: with TLS where the origin asks for it. @throws TargetRefused, ConnectFailed */
  async connectTo(origin: URL, purpose: Purpose): Promise<Socket> {
    const resolution = await this.guard.resolveForConnect(origin.href, undefined, purpose);
    const deadline = this.connectDeadline();
    const socket = await this.dialChecked(resolution, portOf(origin), deadline);
    return origin.protocol === 'https:' ? this.secure(socket, hostOf(origin), deadline) : socket;
  }

  /** A bare connection to a host and port. @throws TargetRefused, ConnectFailed */
  async reach(host: string, port: number): Promise<Socket> {
    return this.dialChecked(await this.guard.resolveEndpoint(host, port), port, this.connectDeadline());
  }

  private connectDeadline(): AbortSignal {
    return AbortSignal.timeout(this.connectTimeoutMs);
  }

  private async dialChecked(resolution: Resolution, port: number, deadline: AbortSignal): Promise<Socket> {
    if (resolution.kind === 'refused') throw new TargetRefused(resolution.because);
    if (resolution.kind === 'unresolved') throw new ConnectFailed('dns');
    const addresses = resolution.addresses.slice(0, MAX_ADDRESSES_TRIED);
    // A silent first address must leave time for the others.
    const shareMs = Math.ceil(this.connectTimeoutMs / addresses.length);
    for (const address of addresses) {
      const socket = await this.dial(address, port, AbortSignal.any([deadline, AbortSignal.timeout(shareMs)]));
      if (socket && isSameAddress(socket.remoteAddress, address)) return socket;
      socket?.destroy();
      if (socket) throw new TargetRefused('connected-elsewhere');
    }
    throw new ConnectFailed('connect');
  }

  private async dial(address: string, port: number, signal: AbortSignal): Promise<Socket | null> {
    return this.dialler.dial(address, port, signal).catch(() => null);
  }

  /** Starts TLS on a connection whose peer has been compared already: no byte goes to anybody else. */
  private secure(socket: Socket, host: string, deadline: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const isLiteral = host.includes(':') || /^[\d.]+$/.test(host);
      const fail = (): void => {
        deadline.removeEventListener('abort', fail);
        secured.destroy();
        reject(new ConnectFailed('tls'));
      };
      const secured = connectTls({
        socket,
        // The certificate must name the host of the URL; SNI carries names only (RFC 6066).
        host,
        servername: isLiteral ? '' : host,
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...this.trust,
      });
      if (deadline.aborted) return fail();
      deadline.addEventListener('abort', fail, { once: true });
      secured.once('error', fail);
      secured.once('secureConnect', () => {
        deadline.removeEventListener('abort', fail);
        secured.off('error', fail);
        resolve(secured);
      });
    });
  }
}
