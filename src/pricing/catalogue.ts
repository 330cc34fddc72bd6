import { Injectable } from '@nestjs/common';
import { type CallOptions, type Cluster, NovitaClient, type Product, type Template } from '../novita/novita-client.js';
import { TtlCache } from '../platform/ttl-cache.js';
import type { RegionalCatalogue, Wish } from './domain/offer.js';

const PRICES_TTL_MS = 60_000;
const CLUSTERS_TTL_MS = 300_000;
const ORDER_LANE: CallOptions = { lane: 'order' };

/** Upstream's catalogue, kept for a short while: prices and templates for a minute, data centres for five. */
@Injectable()
export class Catalogue {
  private readonly clusters = new TtlCache<readonly Cluster[]>(1, CLUSTERS_TTL_MS);
  private readonly products = new TtlCache<readonly Product[]>(500, PRICES_TTL_MS);
  private readonly templates = new TtlCache<Template>(500, PRICES_TTL_MS);

  constructor(private readonly novita: NovitaClient) {}

  async inRegion(region: string, wish: Wish): Promise<RegionalCatalogue> {
    const cluster = await this.findCluster(region);
    if (cluster === null) return { region, cluster, products: [] };
    const { productName, gpuNum, billingMode } = wish;
    const query = { productName, gpuNum, billingMode, clusterId: cluster.id };
    const products = await this.products.get(JSON.stringify(query), () => this.novita.listProducts(query, ORDER_LANE));
    return { region, cluster, products };
  }

  async getTemplate(templateId: string): Promise<Template> {
    return this.templates.get(templateId, () => this.novita.getTemplate(templateId, ORDER_LANE));
  }

  get cacheCounts(): { readonly hits: number; readonly misses: number } {
    const caches = [this.clusters, this.products, this.templates];
    return {
      hits: caches.reduce((sum, cache) => sum + cache.hits, 0),
      misses: caches.reduce((sum, cache) => sum + cache.misses, 0),
    };
  }

  /** By display code, as users write it; an upstream id is understood as well. */
  private async findCluster(region: string): Promise<Cluster | null> {
    const clusters = await this.clusters.get('all', () => this.novita.listClusters(ORDER_LANE));
    return clusters.find((cluster) => cluster.name === region || cluster.id === region) ?? null;
  }
}
