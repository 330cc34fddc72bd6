import type { FastifyInstance } from 'fastify';

/** While the process drains, every answer asks its caller to connect anew, where another replica can take the connection. */
export function closeConnectionsWhile(isDraining: () => boolean, instance: FastifyInstance): void {
  instance.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining()) reply.header('Connection', 'close');
    done();
  });
}
