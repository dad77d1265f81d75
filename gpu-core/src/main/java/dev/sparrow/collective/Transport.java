package dev.sparrow.collective;

import io.netty.channel.IoHandlerFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;

/** The kinds of sockets: Linux's epoll where its native library loads, Java's NIO elsewhere. */
enum Transport {
  EPOLL(EpollSocketChannel.class, EpollServerSocketChannel.class),
  NIO(NioSocketChannel.class, NioServerSocketChannel.class);

  private final Class<? extends SocketChannel> socket;
  private final Class<? extends ServerChannel> server;

  Transport(Class<? extends SocketChannel> socket, Class<? extends ServerChannel> server) {
    this.socket = socket;
    this.server = server;
  }

  static Transport best() {
    return Epoll.isAvailable() ? EPOLL : NIO;
  }

  IoHandlerFactory handlers() {
    return this == EPOLL ? EpollIoHandler.newFactory() : NioIoHandler.newFactory();
  }

  Class<? extends SocketChannel> socket() {
    return socket;
  }

  Class<? extends ServerChannel> server() {
    return server;
  }
}
