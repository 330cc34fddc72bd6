export interface HttpLimits {
  /** TCP and TLS together, for all addresses of the name; asking for the name has its own limit in the guard. */
  connectTimeoutMs: number;
  /** From the call to the last byte of the answer's body. */
  deadlineMs: number;
  /** Beyond this the connection is cut; the status counts all the same. */
  maxBodyBytes: number;
  maxHeaderBytes: number;
  connectionsPerOrigin: number;
  maxOrigins: number;
  /** How long a connection may serve before its name is asked for again. */
  maxPoolAgeMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  connectTimeoutMs: 3000,
  deadlineMs: 15_000,
  maxBodyBytes: 16 * 1024,
  maxHeaderBytes: 16 * 1024,
  // More than all senders of a replica use together: one that is slow must not hold up another behind the same name.
  connectionsPerOrigin: 2_048,
  maxOrigins: 256,
  maxPoolAgeMs: 30_000,
};
