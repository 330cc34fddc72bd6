import type { Instance } from '../../instances/domain/instance.js';
import type { Placement } from '../../instances/domain/placement.js';
import type { NoOffer } from '../../pricing/domain/offer.js';
import type { NovitaError } from '../../novita/novita.errors.js';
import type { Limits } from './limits.js';

/** A code for programs and a sentence that a user can act on. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

const NO_OFFER: Record<NoOffer, Reason> = {
  'product-not-found': {
    code: 'PRODUCT_NOT_FOUND',
    message: 'No GPU product with exactly this name is sold in the wished region or its fallbacks; check productName',
  },
  'region-not-found': { code: 'REGION_NOT_FOUND', message: 'There is no such region; check region' },
  'rootfs-size': {
    code: 'ROOTFS_SIZE_NOT_OFFERED',
    message: 'The product is not offered with this root filesystem size; check rootfsSize',
  },
  'billing-mode': {
    code: 'BILLING_MODE_NOT_OFFERED',
    message: 'The product is not sold in this billing mode; order it with another billingMode',
  },
  'no-capacity': {
    code: 'NO_CAPACITY',
    message:
      'No machine of this kind is free in the wished region or its fallbacks; try again later, another region or another product',
  },
};

export function reasonOfNoOffer(because: NoOffer): Reason {
  return NO_OFFER[because];
}

/** What a user is told when upstream refused something for good. Upstream's own words stay out of it. */
export function reasonOfRefusal(error: NovitaError): Reason {
  switch (error.errorClass) {
    case 'not-found':
      return error.call === 'template'
        ? { code: 'TEMPLATE_NOT_FOUND', message: 'There is no template with this id; check templateId' }
        : {
            code: 'NOVITA_API_ERROR',
            message: `The provider knows nothing of what the order names (${error.reason ?? 'not found'})`,
          };
    case 'no-capacity':
      return NO_OFFER['no-capacity'];
    case 'quota':
      return {
        code: 'QUOTA_EXCEEDED',
        message: "The provider account's quota is used up; delete instances or have the quota raised",
      };
    case 'balance':
      return {
        code: 'INSUFFICIENT_BALANCE',
        message: "The provider account's balance is too low; top it up and order again",
      };
    case 'auth':
      return {
        code: 'NOVITA_AUTH_FAILED',
        message: "The provider rejected this service's API key; its operator must check NOVITA_API_KEY",
      };
    case 'invalid':
      return error.reason === 'TEMPLATE_IS_PRIVATE'
        ? {
            code: 'TEMPLATE_NOT_FOUND',
            message: 'The template belongs to somebody else and cannot be used; check templateId',
          }
        : {
            code: 'NOVITA_API_ERROR',
            message: `The provider refused the order as invalid (${error.reason ?? 'no reason given'})`,
          };
    case 'wrong-state':
    case 'rate-limited':
    case 'unavailable':
      return { code: 'NOVITA_API_ERROR', message: 'The provider could not carry out the request' };
  }
}

/** Worth waiting for: nothing is wrong with the order itself. */
export function isPassing(error: NovitaError): boolean {
  return (
    error.errorClass === 'unavailable' || error.errorClass === 'rate-limited' || error.errorClass === 'wrong-state'
  );
}

export function minutes(ms: number): string {
  const value = Math.round(ms / 6000) / 10;
  return value === 1 ? '1 minute' : `${value} minutes`;
}

/** Upstream's complaint about a machine that does not come up. */
export function reasonOfMachineError(seenError: string): Reason {
  if (/image|pull|manifest|registry|unauthorized/i.test(seenError))
    return {
      code: 'IMAGE_PULL_FAILED',
      message: "The template's image could not be pulled; check its name and registry credentials",
    };
  if (/oom/i.test(seenError))
    return { code: 'OUT_OF_MEMORY', message: 'The container ran out of memory while starting' };
  return { code: 'STARTUP_FAILED', message: 'The provider reported an error while the machine was starting' };
}

/** The order waited in vain; what it was waiting for is why. */
export function queueReason(instance: Instance): Reason {
  if (instance.reasonCode !== null && instance.reasonMessage !== null)
    return { code: instance.reasonCode, message: instance.reasonMessage };
  return { code: 'QUEUE_TIMEOUT', message: 'The order waited too long for its turn; try again' };
}

export function startupTimeout(limits: Limits): Reason {
  return { code: 'STARTUP_TIMEOUT', message: `Instance failed to start within ${minutes(limits.startupTimeoutMs)}` };
}

export const CREATE_UNCONFIRMED: Reason = {
  code: 'CREATE_UNCONFIRMED',
  message:
    'The provider did not say in time whether it made the machine; order again. What may have come of it is removed',
};

export const DELETE_UNCONFIRMED: Reason = {
  code: 'DELETE_UNCONFIRMED',
  message:
    'The provider has not removed the machine yet, and it may cost until then; its deletion is repeated until it is gone',
};

export const RESTART_UNCONFIRMED: Reason = {
  code: 'RESTART_UNCONFIRMED',
  message: 'The machine runs, but nothing showed in time that it was restarted; restart it again if it is still needed',
};

export function reasonOfRefusedRestart(error: NovitaError): Reason {
  const { code, message } = reasonOfRefusal(error);
  return { code, message: `The restart was refused and the machine runs on. ${message}` };
}

/** What the spot fields say counts only where they are of this life of the machine. */
export function lossReason(
  { phaseSince }: Instance,
  { seenSpotStatus, seenReclaimAt }: Placement,
  seenAt: Date,
): Reason {
  const isStale = seenReclaimAt !== null && seenReclaimAt <= phaseSince;
  const isSaid = seenSpotStatus === 'terminated' || seenSpotStatus === 'reclaiming';
  const isTimeOver = seenReclaimAt !== null && seenReclaimAt <= seenAt;
  return !isStale && (isSaid || isTimeOver)
    ? { code: 'SPOT_RECLAIMED', message: 'The provider took the spot machine back' }
    : { code: 'INTERRUPTED', message: 'The machine stopped without our doing' };
}
