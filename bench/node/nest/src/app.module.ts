import { Controller, Get, Module, Param } from '@nestjs/common';
import { ClientsModule, Transport } from '@nestjs/microservices';
import { join } from 'node:path';
import { HomeService } from './home.service.js';

const CONTRACTS = join(import.meta.dirname, '../../../contracts');

@Controller()
export class HomeController {
  constructor(private readonly service: HomeService) {}

  @Get('home/:userId')
  home(@Param('userId') userId: string) {
    return this.service.home(userId);
  }
}

@Module({
  imports: [
    ClientsModule.register([
      {
        name: 'ORDERS',
        transport: Transport.GRPC,
        options: {
          package: 'orders.v1',
          url: '127.0.0.1:7001',
          protoPath: join(CONTRACTS, 'orders/v1/orders.proto'),
          loader: { keepCase: true, longs: Number, enums: String, defaults: true, includeDirs: [CONTRACTS] },
        },
      },
    ]),
  ],
  controllers: [HomeController],
  providers: [HomeService],
})
export class AppModule {}
