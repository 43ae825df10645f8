import { Inject, Injectable, OnModuleInit, BadGatewayException } from '@nestjs/common';
import type { ClientGrpc } from '@nestjs/microservices';
import { firstValueFrom, Observable } from 'rxjs';
import { Pool } from 'undici';

interface Money { currency_code: string; units: number; nanos: number }
interface OrderLine { product_id: string; quantity: number; unit_price: Money }
interface Order { id: string; status: string; created_at: { seconds: number; nanos: number }; total: Money; lines: OrderLine[] }
interface OrderService { ListOrders(req: { user_id: string; page_size: number }): Observable<{ orders: Order[] }> }
interface Product { id: string; title: string; image_url: string }
interface Profile { display_name: string; avatar_url: string }
interface Rewards { points: number; tier: string }

const USERS = 'http://127.0.0.1:7002';
const PRODUCTS = 'http://127.0.0.1:7003';
const REWARDS = 'http://127.0.0.1:7004';

@Injectable()
export class HomeService implements OnModuleInit {
  private orders!: OrderService;
  private pools = new Map<string, Pool>(
    [USERS, PRODUCTS, REWARDS].map((o) => [o, new Pool(o, { connections: 128 })]),
  );

  constructor(@Inject('ORDERS') private readonly grpc: ClientGrpc) {}

  onModuleInit() {
    this.orders = this.grpc.getService<OrderService>('OrderService');
  }

  private async get<T>(origin: string, path: string, timeout = 2000): Promise<T> {
    const res = await this.pools.get(origin)!.request({ method: 'GET', path, signal: AbortSignal.timeout(timeout) });
    if (res.statusCode !== 200) {
      await res.body.dump();
      throw new BadGatewayException(`${path}: ${res.statusCode}`);
    }
    return (await res.body.json()) as T;
  }

  private async ordersWithProducts(userId: string): Promise<[Order[], Map<string, Product>]> {
    const { orders } = await firstValueFrom(this.orders.ListOrders({ user_id: userId, page_size: 5 }));
    const ids = new Set<string>();
    for (const o of orders) for (const l of o.lines) ids.add(l.product_id);
    const products = await this.get<Product[]>(PRODUCTS, `/products?ids=${[...ids].join(',')}`);
    return [orders, new Map(products.map((p) => [p.id, p]))];
  }

  async home(userId: string) {
    const [profile, rewards, [orders, products]] = await Promise.all([
      this.get<Profile>(USERS, `/users/${userId}/profile`),
      this.get<Rewards>(REWARDS, `/users/${userId}/rewards`, 200).catch(() => null),
      this.ordersWithProducts(userId),
    ]);
    return {
      user: { name: profile.display_name, avatar: profile.avatar_url },
      rewards: rewards && { points: rewards.points, tier: rewards.tier },
      orders: orders.map((o) => ({
        id: o.id,
        status: o.status.replace('ORDER_STATUS_', ''),
        placedAt: new Date(o.created_at.seconds * 1000 + Math.floor(o.created_at.nanos / 1e6)).toISOString(),
        total: `${o.total.units}.${String(Math.floor(o.total.nanos / 1e7)).padStart(2, '0')}`,
        currency: o.total.currency_code,
        lines: o.lines.map((l) => {
          const p = products.get(l.product_id);
          if (!p) throw new BadGatewayException('unknown product');
          return { quantity: l.quantity, title: p.title, image: p.image_url };
        }),
      })),
    };
  }
}
