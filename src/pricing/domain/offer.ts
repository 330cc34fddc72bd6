import type { BillingMode, Cluster, Product } from '../../novita/novita-client.js';

/** One machine that can be bought: where, as what, for how much. */
export interface Offer {
  readonly productId: string;
  readonly clusterId: string;
  readonly region: string;
  readonly billingMode: BillingMode;
  /** For the whole machine: the price per GPU times the GPUs. */
  readonly pricePerHourMicros: bigint;
  readonly minRootfsGb: number;
  readonly maxRootfsGb: number;
}

export interface Wish {
  readonly productName: string;
  readonly gpuNum: number;
  readonly rootfsSizeGb: number;
  readonly billingMode: BillingMode;
}

/** What a region's catalogue says about one product name. */
export interface RegionalCatalogue {
  readonly region: string;
  readonly cluster: Cluster | null;
  readonly products: readonly Product[];
}

export type NoOffer = 'product-not-found' | 'region-not-found' | 'rootfs-size' | 'billing-mode' | 'no-capacity';

export type OfferChoice =
  { readonly kind: 'offers'; readonly offers: readonly Offer[] } | { readonly kind: 'none'; readonly because: NoOffer };

export function placeOf(offer: Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>): string {
  return `${offer.clusterId}/${offer.productId}/${offer.billingMode}`;
}
